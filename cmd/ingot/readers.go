package main

import (
	"context"
	"os"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/datasources/amazonsecretsmanager"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/outage"
	"github.com/ingot-build/ingot/internal/stores"
)

// readers are the functions of templates that read from outside. Host is asked
// when one is called.
func readers(ctx context.Context, host func() builders.Host) []lang.Reader {
	env := stores.Env(os.Getenv)
	hurry := func() context.Context { return outage.Hurry(ctx) } // of each call its own
	return []lang.Reader{
		{Name: "aws_secretsmanager", Params: []string{"name", "key"}, Optional: 1, Read: func(a []string) (string, error) {
			return amazonsecretsmanager.Function(hurry(), host(), a[0], a[1])
		}},
		{Name: "aws_secretsmanager_raw", Params: []string{"name"}, Read: func(a []string) (string, error) {
			return amazonsecretsmanager.Raw(hurry(), host(), a[0])
		}},
		{Name: "consul_key", Params: []string{"key"}, Read: func(a []string) (string, error) { return env.ConsulKey(ctx, a[0]) }},
		{Name: "vault", Params: []string{"path", "key"}, Read: func(a []string) (string, error) { return env.VaultKey(ctx, a[0], a[1]) }},
	}
}
