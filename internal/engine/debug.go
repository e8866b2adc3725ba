package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingot-build/ingot/internal/event"
)

// pauseBefore lets the user look at what is there before something is done to
// it (-debug). Where nobody can be asked it does nothing.
func (b *build) pauseBefore(ctx context.Context, what string) error {
	if !b.Debug || b.Ask == nil {
		return nil
	}
	_, err := b.ask(ctx, fmt.Sprintf("Pausing before %s. Press enter to continue.", what), []string{""})
	return err
}

// showLogin says how to log in to a machine that was made for the build
// (-debug). Its key is in a file until the returned function is called.
func (b *build) showLogin() (remove func()) {
	private := b.values["build.SSHPrivateKey"].Reveal()
	if !b.Debug || b.InPlace() || private == "" {
		return func() {}
	}
	path := filepath.Join(b.Dir, "ingot-"+b.Address+".pem")
	if err := os.WriteFile(path, []byte(private), 0o600); err != nil {
		b.log.Emit(event.Warning{Text: "the key to log in with is not shown: " + err.Error()})
		return func() {}
	}
	b.log.Say(fmt.Sprintf("To look at the machine: ssh -i %s -p %s %s@%s", path,
		b.values["build.Port"].Reveal(), b.values["build.User"].Reveal(), b.values["build.Host"].Reveal()))
	return func() { _ = os.Remove(path) }
}
