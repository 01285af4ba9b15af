// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Store is what a Lane needs of a store. The suite in package storetest
// checks that a store keeps the promises made here.
type Store interface {
	// Commit moves the lane at to at.N+1 and adds writes, all or nothing, and
	// returns when that is durable. It is the only way to write data. A write
	// whose events don't directly follow those stored, or whose value doesn't
	// have the version after the one stored, is refused.
	//
	// An error that wraps [entity.ErrLaneMoved] or [entity.ErrRefused] means
	// that nothing was applied; after any other one the caller doesn't know,
	// and sends the identical commit again until it does. Commits of different
	// lanes may run at once, those of one lane may not. Commit keeps nothing
	// of writes after it returns.
	Commit(ctx context.Context, at entity.Position, writes []entity.Write) error

	// Position returns how many commits the lane of member has made, as
	// durable as a commit is, and false if there is no such lane because the
	// member was evicted.
	Position(ctx context.Context, member entity.Member, lane int) (n int64, ok bool, err error)
}
