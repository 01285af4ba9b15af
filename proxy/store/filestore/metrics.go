// SPDX-License-Identifier: Apache-2.0

package filestore

import "time"

// Metrics are numbers for the operators of a store.
type Metrics struct {
	DiskBytes      uint64 // all files
	LogBytes       uint64 // of that the write-ahead log, not yet in tables
	MemoryBytes    uint64 // memtables and block cache
	Flushes        int64  // memtables written to tables
	Compactions    int64  // merges of tables
	CompactionTime time.Duration
	CompactionDebt uint64 // bytes that wait to be merged, an estimate
	WrittenBytes   uint64 // to tables, by flushes and compactions
	ReadAmp        int    // tables that a read may have to look into
	CacheHits      int64
	CacheMisses    int64
	DiskFull       bool // commits are refused for want of space
}

// Metrics returns the numbers of now; all zero after Close.
func (s *Store) Metrics() Metrics {
	if s.begin() != nil {
		return Metrics{}
	}
	defer s.use.RUnlock()
	m := s.db.Metrics()
	total := m.Total()
	return Metrics{
		DiskBytes:      m.DiskSpaceUsage(),
		LogBytes:       m.WAL.Size,
		MemoryBytes:    m.MemTable.Size + uint64(m.BlockCache.Size),
		Flushes:        m.Flush.Count,
		Compactions:    m.Compact.Count,
		CompactionTime: m.Compact.Duration,
		CompactionDebt: m.Compact.EstimatedDebt,
		WrittenBytes:   total.TableBytesFlushed + total.TableBytesCompacted,
		ReadAmp:        m.ReadAmp(),
		CacheHits:      m.BlockCache.Hits,
		CacheMisses:    m.BlockCache.Misses,
		DiskFull:       s.space.full.Load(),
	}
}
