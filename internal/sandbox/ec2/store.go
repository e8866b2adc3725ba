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
	file  string
	state func() ([]byte, error) // the present one

	mu      sync.Mutex
	stored  chan struct{} // closed when all that was asked for is in the file; nil is nothing
	writing bool
	err     error
	idle    *sync.Cond
}

func open(file string) (*state, error) {
	s := &state{}
	raw, err := os.ReadFile(file)
	if err == nil {
		if err := json.Unmarshal(raw, s); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s.init()
	return s, nil
}

// keep returns the store of the server's state.
func (s *Server) keep(file string) *store {
	st := &store{file: file, state: func() ([]byte, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return json.Marshal(s.state)
	}}
	st.idle = sync.NewCond(&st.mu)
	return st
}

// save returns a channel that is closed when the present state is in the file.
// The server is locked.
func (s *Server) save() <-chan struct{} { return s.saved.put() }

func (st *store) put() <-chan struct{} {
	st.mu.Lock()
	defer st.mu.Unlock()
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
	for st.stored != nil {
		stored := st.stored
		st.stored = nil
		st.mu.Unlock()
		err := st.write()
		close(stored)
		st.mu.Lock()
		st.err = err
	}
	st.writing = false
	st.idle.Broadcast()
	st.mu.Unlock()
}

func (st *store) write() error {
	raw, err := st.state()
	if err != nil {
		return err
	}
	return replace(st.file, raw)
}

// replace writes a file that is whole at any time, also when this process is
// killed. It does not have to outlive the host's own crash.
func replace(file string, raw []byte) error {
	if err := os.WriteFile(file+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// close writes the last state. The server is not locked.
func (st *store) close() error {
	<-st.put()
	st.mu.Lock()
	defer st.mu.Unlock()
	for st.writing {
		st.idle.Wait()
	}
	return st.err
}
