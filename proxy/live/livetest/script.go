// SPDX-License-Identifier: Apache-2.0

package livetest

import "sync"

// A Deed is what a function does instead of what it should.
type Deed uint8

// The deeds of a [Script].
const (
	Says   Deed = iota // sends a message, or what is none
	Ends               // ends the stream in order
	Breaks             // ends the stream with an error
	Honest             // does what it should
)

// A Script is what a fuzzer has thought of for a function to do: a byte for each
// deed, and for what is said another one for its length and that many more. Its
// methods may be called by any goroutine.
type Script struct {
	mu   sync.Mutex // protects rest
	rest []byte
}

// NewScript returns the script in data, which must not change any more.
func NewScript(data []byte) *Script { return &Script{rest: data} }

// Next returns the next deed and, if that is [Says], the message; false if there
// is none.
func (s *Script) Next() (do Deed, message []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) == 0 {
		return 0, nil, false
	}
	if do = Deed(s.take(1)[0] % 4); do == Says {
		if size := s.take(1); len(size) > 0 {
			message = s.take(int(size[0]))
		}
	}
	return do, message, true
}

// take takes n bytes of what is left, or fewer.
func (s *Script) take(n int) []byte {
	n = min(n, len(s.rest))
	taken := s.rest[:n:n]
	s.rest = s.rest[n:]
	return taken
}

// More reports whether there is another deed.
func (s *Script) More() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rest) > 0
}

// End leaves out what there still is.
func (s *Script) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = nil
}

// Recovers asks until there is an answer, four times at most: the first ones may
// be told of what was before. It returns the last error.
func Recovers(ask func() error) error {
	err := ask()
	for range 3 {
		if err != nil {
			err = ask()
		}
	}
	return err
}
