package amazon

import (
	"testing"
	"time"
)

// TestPollingOfTheEnvironment counts where the template has no aws_polling.
func TestPollingOfTheEnvironment(t *testing.T) {
	t.Setenv("AWS_POLL_DELAY_SECONDS", "5")
	t.Setenv("AWS_MAX_ATTEMPTS", "12")
	var c AccessConfig
	if got := c.patience(time.Hour); got != time.Minute || c.pollDelay() != 5*time.Second {
		t.Errorf("waits %v, each %v", got, c.pollDelay())
	}
	c.Polling = &Polling{DelaySeconds: 2, MaxAttempts: 3}
	if got := c.patience(time.Hour); got != 6*time.Second {
		t.Errorf("with aws_polling it waits %v", got)
	}
	c.Polling = nil
	t.Setenv("AWS_MAX_ATTEMPTS", "")
	t.Setenv("AWS_TIMEOUT_SECONDS", "100")
	if got := c.patience(time.Hour); got != 100*time.Second {
		t.Errorf("with a timeout it waits %v", got)
	}
	t.Setenv("AWS_MAX_ATTEMPTS", "many")
	if err := c.CheckAccess(); err == nil {
		t.Error("no error of AWS_MAX_ATTEMPTS=many")
	}
}
