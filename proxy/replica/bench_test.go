// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/replica"
)

// BenchmarkUpdate is one command after the other, each with a change, for one of
// several instances; a goroutine per stream plays the function.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(strconv.Itoa(n)+" instances", func(b *testing.B) {
			fn := &function{streams: make(chan *stream, n)}
			set := replica.New(slog.New(slog.DiscardHandler), replica.Config{
				Self: "self", Function: fn, Limits: limits(), Idle: time.Hour, Grace: time.Second, Report: func(string) {},
			})
			ctx, end := context.WithCancel(b.Context())
			defer end()
			go func() {
				for {
					select {
					case s := <-fn.streams:
						go play(ctx, s)
					case <-ctx.Done():
						return
					}
				}
			}()
			done := make(chan struct{}, 1)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				set.Submit(counters, strconv.Itoa(i%n), &instance.Command{
					Call:    entity.Call{Service: counters.Service, Command: "Add"},
					TypeURL: textURL, Arrived: time.Now(),
					Done: func(o entity.Outcome) {
						if o.Err != nil {
							b.Error(o.Err)
						}
						done <- struct{}{}
					},
				})
				<-done
			}
		})
	}
}

// play adds one for each command.
func play(ctx context.Context, s *stream) {
	m := reply(0, "x", update(count(1)))
	for {
		select {
		case in := <-s.in:
			if in.GetCommand() == nil {
				continue
			}
			m.GetReply().CommandId = in.GetCommand().GetId()
			data, err := proto.Marshal(m)
			if err != nil {
				panic(err)
			}
			s.out <- data
		case <-ctx.Done():
			return
		}
	}
}
