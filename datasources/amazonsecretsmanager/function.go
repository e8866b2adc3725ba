package amazonsecretsmanager

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ingot-build/ingot/builders"
)

// Function is aws_secretsmanager() of templates: the value of key in the
// secret called name. Where the secret has one key only, key may be "". Of a
// secret that is no JSON object it is all. Region and credentials are those
// that the AWS tools would use.
func Function(ctx context.Context, h builders.Host, name, key string) (string, error) {
	text, err := Raw(ctx, h, name)
	if err != nil {
		return "", err
	}
	var values map[string]json.RawMessage
	switch isObject := json.Unmarshal([]byte(text), &values) == nil && values != nil; {
	case !isObject:
		return text, nil
	case key == "" && len(values) > 1:
		return "", builders.WithHint(errors.New("the secret "+name+" has several keys"), `name one: aws_secretsmanager("`+name+`", "KEY")`)
	}
	value, err := valueOf(text, key)
	if err != nil {
		return "", errors.New("the secret " + name + ": " + err.Error())
	}
	h.Secrets.Add(value)
	return value, nil
}

// Raw is aws_secretsmanager_raw() of templates: a whole secret, as it is
// stored.
func Raw(ctx context.Context, h builders.Host, name string) (string, error) {
	c := &Config{Name: name}
	out, _, err := c.get(ctx, h)
	if err != nil {
		return "", err
	}
	if out.SecretString == nil {
		return "", errors.New("the secret " + name + " is not text")
	}
	return aws.ToString(out.SecretString), nil
}
