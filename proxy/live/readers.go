// SPDX-License-Identifier: Apache-2.0

package live

import (
	"sync"
	"sync/atomic"
)

// spare is how many readers may wait for work. A fresh goroutine has to grow
// its stack before it can read, which costs a tenth of a command.
const spare = 256

// readers are the goroutines that read the streams of instances while the
// function has a command of them.
type readers struct {
	jobs    chan job      // to those that wait
	end     chan struct{} // closed when they need not wait any more
	ended   sync.Once
	waiting atomic.Int32 // how many wait, at the most
	work    *sync.WaitGroup
}

// A job is a stream to be read.
type job struct {
	in  *awake
	act *activation
}

// read has the stream of act read. It doesn't block.
func (r *readers) read(in *awake, act *activation) {
	r.work.Add(1)
	j := job{in, act}
	select {
	case r.jobs <- j:
	default:
		go r.run(j)
	}
}

// release lets go those that wait.
func (r *readers) release() { r.ended.Do(func() { close(r.end) }) }

func (r *readers) run(j job) {
	var box inbox
	for {
		j.in.read(j.act, &box)
		r.work.Done()
		j, box = job{}, inbox{} // keep nothing alive
		if r.waiting.Add(1) > spare {
			r.waiting.Add(-1)
			return
		}
		select {
		case j = <-r.jobs:
			r.waiting.Add(-1)
		case <-r.end:
			return
		}
	}
}
