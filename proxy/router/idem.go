// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"strconv"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// maxKey is how many bytes of text a client may call a command by.
const maxKey = 1 << 10

// keyOf returns the key of a call of m from outside: what its client calls it, or
// the CloudEvent that it is. A method without side effects needs none.
func keyOf(m *route.Method, md entity.Metadata) (entity.IdemKey, error) {
	if m.Safe || len(md) == 0 {
		return "", nil
	}
	var text, source, id string
	for i := range md {
		switch md[i].Name {
		case "idempotency-key":
			text = md[i].Value
		case "ce-source":
			source = md[i].Value
		case "ce-id":
			id = md[i].Value
		}
	}
	if len(text) > maxKey || len(source)+len(id) > maxKey {
		return "", fmt.Errorf("%w: idempotency key of more than %d bytes", entity.ErrInvalid, maxKey)
	}
	switch {
	case text != "":
		return entity.ClientKey(text), nil
	case source != "" && id != "":
		return entity.EventKey(source, id, m.Name), nil
	}
	return "", nil
}

// derived returns the key of the n-th call that a call with the key k leads to:
// always the same, and of no other call.
func derived(k entity.IdemKey, n int) entity.IdemKey {
	if k == "" {
		return ""
	}
	return k + "\x00" + entity.IdemKey(strconv.Itoa(n))
}
