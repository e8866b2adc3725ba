package ec2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// store keeps the state in a file. Changes that come while one is written are
// written together.
type store struct {
	file string

	mu      sync.Mutex
	next    []byte        // to be written
	stored  chan struct{} // closed when next is
	writing bool
	err     error
	idle    *sync.Cond
}

func open(file string) (*store, *state, error) {
	st := &store{file: file}
	st.idle = sync.NewCond(&st.mu)
	s := &state{}
	raw, err := os.ReadFile(file)
	if err == nil {
		if err := json.Unmarshal(raw, s); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	s.init()
	return st, s, nil
}

// save returns a channel that is closed when the present state is in the file.
// The server is locked.
func (s *Server) save() <-chan struct{} {
	raw, err := json.Marshal(s.state)
	if err != nil {
		panic(err) // one of our structs can't be written
	}
	return s.saved.put(raw)
}

func (st *store) put(raw []byte) <-chan struct{} {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.next = raw
	if st.stored == nil {
		st.stored = make(chan struct{})
	}
	stored := st.stored
	if !st.writing {
		st.writing = true
		go st.run()
	}
	return stored
}

func (st *store) run() {
	st.mu.Lock()
	for st.next != nil {
		raw, stored := st.next, st.stored
		st.next, st.stored = nil, nil
		st.mu.Unlock()
		err := replace(st.file, raw)
		close(stored)
		st.mu.Lock()
		st.err = err
	}
	st.writing = false
	st.idle.Broadcast()
	st.mu.Unlock()
}

// replace writes a file that is whole at any time, also when this process is
// killed. It does not have to outlive the host's own crash.
func replace(file string, raw []byte) error {
	if err := os.WriteFile(file+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// close writes the last state.
func (st *store) close(s *state) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	<-st.put(raw)
	st.mu.Lock()
	defer st.mu.Unlock()
	for st.writing {
		st.idle.Wait()
	}
	return st.err
}
