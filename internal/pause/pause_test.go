package pause_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/pause"
)

func TestFor(t *testing.T) {
	t.Parallel()
	why := errors.New("enough")
	ended, end := context.WithCancelCause(context.Background())
	end(why)
	for _, d := range []time.Duration{-1, 0, time.Millisecond} {
		if err := pause.For(context.Background(), d); err != nil {
			t.Errorf("%s: %v", d, err)
		}
		if err := pause.For(ended, d); !errors.Is(err, why) {
			t.Errorf("%s of a context that has ended: %v", d, err)
		}
	}
	ending, end := context.WithCancelCause(context.Background())
	time.AfterFunc(time.Millisecond, func() { end(why) })
	if err := pause.For(ending, time.Hour); !errors.Is(err, why) {
		t.Errorf("a context that ends meanwhile: %v", err)
	}
}
