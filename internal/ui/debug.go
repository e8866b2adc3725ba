package ui

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/ingot-build/ingot/internal/event"
)

// Debug returns a sink that logs every event for those who look for a fault.
func Debug(o Options) event.Sink {
	return &debugLog{o: o, log: slog.New(slog.NewTextHandler(o.Out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

type debugLog struct {
	o   Options
	log *slog.Logger
}

func (d *debugLog) Emit(e event.Event) {
	name := strings.TrimPrefix(fmt.Sprintf("%T", e.Body), "event.")
	body := d.o.Secrets.Redact(fmt.Sprintf("%+v", e.Body))
	r := slog.NewRecord(e.Time, slog.LevelDebug, name, 0)
	r.AddAttrs(slog.String("build", e.Build), slog.String("event", body))
	_ = d.log.Handler().Handle(context.Background(), r)
}
