package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
)

// TestChangesOfOneProcess makes many changes of an index at once. Each has a
// result of its own, and is seen where that is no error and only there.
func TestChangesOfOneProcess(t *testing.T) {
	t.Parallel()
	l := newLayout(t.TempDir())
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	refused := errors.New("refused")
	desc := content.NewDescriptorFromBytes(ocispec.MediaTypeImageManifest, []byte("{}"))
	errs := make([]error, 90)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			ctx := context.Background()
			if i%3 == 2 {
				ctx = cancelled
			}
			errs[i] = l.update(ctx, func(ix *index) (bool, error) {
				err := ix.set(fmt.Sprintf("b:%d", i), desc)
				if i%3 == 1 {
					err = refused
				}
				return err == nil, err
			})
		})
	}
	all.Wait()
	again := newLayout(l.dir)
	ix, err := again.read()
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		if _, ok := ix.find(fmt.Sprintf("b:%d", i)); ok != (err == nil) {
			t.Errorf("change %d: %v, and seen is %t", i, err, ok)
		}
		if i%3 == 0 && err != nil || i%3 == 1 && !errors.Is(err, refused) {
			t.Errorf("change %d: %v", i, err)
		}
	}
}
