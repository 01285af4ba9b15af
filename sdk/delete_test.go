// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
)

// leaving emits what the request asks for, deletes the instance in the middle of
// that, and refuses the command if the request says so.
func leaving(ctx context.Context, in *tck.Request) (*tck.Response, error) {
	for _, a := range in.GetActions() {
		sdk.Delete(ctx)
		switch a := a.GetAction().(type) {
		case *tck.RequestAction_Emit:
			sdk.Emit(ctx, &tck.Persisted{Value: a.Emit.GetValue()})
		case *tck.RequestAction_Fail:
			return nil, errors.New(a.Fail.GetMessage())
		}
	}
	return &tck.Response{Message: "bye"}, nil
}

func TestAnInstanceIsDeletedWithTheReply(t *testing.T) {
	f := serve(t, probes(leaving))
	w := f.activate(t, "", "A")
	w.command(emit("B"))
	want := with(t, reply(t, "bye"), "B", "")
	want.ProtoReflect().SetUnknown([]byte{6<<3 | 2, 0}) // an empty message as field 6
	w.want(want)

	// A proxy that skips the field goes on with what it should have deleted.
	w.command()
	if got := w.wantFault(2); !strings.Contains(got, "after the instance was deleted") {
		t.Errorf("description %q", got)
	}
}

func TestARefusedCommandDeletesNothing(t *testing.T) {
	w := serve(t, probes(leaving)).activate(t, "", "A")
	w.command(fail("no"))
	w.want(failed(1, "no", false))
	w.command()
	w.want(reply(t, "bye"))
}

// TestReplayGoesOnAfterADeletion activates an instance that was deleted at event
// 7: what is replayed begins at 8, and it is time for a snapshot 5 events later.
func TestReplayGoesOnAfterADeletion(t *testing.T) {
	w := serve(t, models()...).activate(t, "")
	w.event(8, persisted(t, "A"))
	w.event(9, persisted(t, "B"))
	w.command(emit("C"), emit("D"))
	w.want(with(t, reply(t, "ABCD"), "CD", ""))
	w.command(emit("E"))
	w.want(with(t, reply(t, "ABCDE"), "E", "ABCDE"))
}
