// SPDX-License-Identifier: Apache-2.0

package gossip

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync/atomic"
)

// A logger takes what memberlist says, which is text with a level at its front.
// That is also the only place where it says that it has refused a message.
type logger struct {
	log     *slog.Logger
	refused *atomic.Int64
}

func newLogger(to *slog.Logger, refused *atomic.Int64) *log.Logger { //nolint:forbidigo // memberlist takes no other
	return log.New(logger{to, refused}, "", 0) //nolint:forbidigo // likewise
}

// levels are those of memberlist, one lower than it thinks: that somebody is not
// reached is what it is there for.
var levels = map[string]slog.Level{"[ERR]": slog.LevelInfo, "[ERROR]": slog.LevelInfo, "[WARN]": slog.LevelInfo}

// refusals are parts of what it says of messages that are not for this service, or
// that nobody with a key has sent.
var refusals = []string{
	"unacceptable label", "Decrypt packet failed", "no installed keys could decrypt", "is not encrypted",
	"encryption is not configured",
}

// Write takes one line.
func (l logger) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelDebug
	if front, rest, ok := strings.Cut(text, " "); ok && strings.HasPrefix(front, "[") {
		text = strings.TrimPrefix(rest, "memberlist: ")
		if named, ok := levels[front]; ok {
			level = named
		}
	}
	for _, r := range refusals {
		if strings.Contains(text, r) {
			l.refused.Add(1)
			level = slog.LevelWarn
			break
		}
	}
	l.log.Log(context.Background(), level, "gossip", "what", text) //nolint:forbidigo // a line of text has none
	return len(line), nil
}
