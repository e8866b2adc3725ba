package ssh

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

type asker = func(question string, echo bool) (string, error)

// askTerminal asks on the terminal of the process, which need not be its
// standard input.
func askTerminal(question string, echo bool) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("the server asks %q, and there is no terminal to ask on", strings.TrimSpace(question))
	}
	defer tty.Close()
	fmt.Fprint(tty, question)
	if !echo {
		answer, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(tty)
		return string(answer), err
	}
	line, err := bufio.NewReader(tty).ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
