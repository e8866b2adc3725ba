package main

import (
	"context"
	"fmt"
	"reflect"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/ingot-build/ingot/datasources"
	datasourcesall "github.com/ingot-build/ingot/datasources/all"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/outage"
)

// dataSources are the data sources of a list as the language takes them. Input
// is asked when one is read.
func dataSources(ctx context.Context, list []datasources.Definition, input func() datasources.Input) ([]lang.DataSource, error) {
	var out []lang.DataSource
	for _, d := range list {
		typ, err := gocty.ImpliedType(d.Output)
		if err != nil {
			return nil, fmt.Errorf("data source %s: %w", d.Type, err)
		}
		out = append(out, lang.DataSource{
			Type: d.Type, New: func() any { return d.New() }, Output: typ, Sensitive: sensitiveFields(d.Output),
			Check: func(config any) error { return config.(datasources.Config).Check() },
			Read: func(config any) (cty.Value, error) {
				v, err := config.(datasources.Config).Read(outage.Hurry(ctx), input())
				if err != nil {
					return cty.NilVal, err
				}
				return gocty.ToCtyValue(v, typ)
			},
		})
	}
	return out, nil
}

// sensitiveFields are the attributes whose fields are tagged `sensitive:"true"`.
func sensitiveFields(output any) []string {
	var out []string
	t := reflect.TypeOf(output)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("sensitive") == "true" {
			out = append(out, f.Tag.Get("cty"))
		}
	}
	return out
}

// dataSourceTypes are the types of the data sources that templates may use.
func dataSourceTypes() []string {
	out := []string{"null"}
	for _, d := range datasourcesall.List() {
		out = append(out, d.Type)
	}
	return out
}
