// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"errors"
	"strconv"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// contentType is that of an event, whatever is in it.
const contentType = "application/vnd.cloudstate.protobuf.any"

// attributes returns an event as a CloudEvent has it.
func attributes(source entity.Key, log string, e *entity.Event) entity.Metadata {
	return entity.Metadata{
		{Name: "ce-id", Value: idOf(source, e)},
		{Name: "ce-source", Value: log},
		{Name: "ce-specversion", Value: "1.0"},
		{Name: "ce-type", Value: e.TypeURL},
		{Name: "ce-subject", Value: source.ID},
		{Name: "content-type", Value: contentType},
	}
}

// idOf returns what no other event of the same log is called.
func idOf(source entity.Key, e *entity.Event) string {
	return source.ID + "#" + strconv.FormatInt(int64(e.Seq), 10)
}

// retried reports whether an error says when to give up an event, and not that
// its method has refused it.
func retried(err error) bool {
	_, refused := errors.AsType[*entity.Refusal](err)
	return !refused
}
