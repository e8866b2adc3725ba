package amazonsecretsmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// valueOf returns the value of key in a secret that is a JSON object, of its
// first key where key is "". Of a secret that is none it returns all.
func valueOf(text, key string) (string, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') || !json.Valid([]byte(text)) {
		if key == "" {
			return text, nil
		}
		return "", fmt.Errorf("it is no JSON object, so that there is no key %q in it", key)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return "", err
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return "", err
		}
		if key == "" || name == key {
			return plain(v), nil
		}
	}
	if key == "" {
		return "", errors.New("it is an empty JSON object")
	}
	return "", fmt.Errorf("there is no key %q in it", key)
}

// plain returns a text without its quotes, and anything else as JSON.
func plain(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil && string(v) != "null" {
		return s
	}
	return string(v)
}
