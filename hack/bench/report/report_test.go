// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		name string
		of   []float64
		want float64
	}{
		{name: "one", of: []float64{3}, want: 3},
		{name: "odd, not sorted", of: []float64{9, 1, 5}, want: 5},
		{name: "even", of: []float64{4, 1, 2, 9}, want: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := tt.of[0]
			if got := Median(tt.of); got != tt.want {
				t.Errorf("Median = %v, want %v", got, tt.want)
			}
			if tt.of[0] != first {
				t.Error("Median sorted its argument")
			}
		})
	}
	if got := Median(nil); !math.IsNaN(got) {
		t.Errorf("Median of nothing = %v, want NaN", got)
	}
}

func TestRatioIsThatOfTheMediansWithTheRangeOfTheRounds(t *testing.T) {
	r := Report{Series: []Series{
		NewSeries(Kairn, HotKey, []Sample{{Ops: 80}, {Ops: 90}, {Ops: 100}}),
		NewSeries(Floor, HotKey, []Sample{{Ops: 160}, {Ops: 100}, {Ops: 120}}),
	}}
	got, ok := r.ratio(Kairn, Floor, HotKey, ops)
	if want := (Ratio{Value: 90.0 / 120, Low: 0.5, High: 0.9}); !ok || got != want {
		t.Errorf("ratio = %+v, %v, want %+v", got, ok, want)
	}
	if _, ok := r.ratio(Kairn, Floor, Read, ops); ok {
		t.Error("a ratio of what was not measured")
	}
}

func TestJudge(t *testing.T) {
	full := func() *Report {
		var r Report
		for _, s := range []string{Workers128, Workers16, HotKey} {
			r.Series = append(r.Series,
				NewSeries(Floor, s, []Sample{{Ops: 100, CPU: 10}}),
				NewSeries(Kairn, s, []Sample{{Ops: 80, CPU: 13}}))
		}
		r.Series = append(r.Series,
			NewSeries(Values, Workers128, []Sample{{Ops: 72}}),
			NewSeries(Memory, Workers128, []Sample{{Ops: 100}}),
			NewSeries(MemoryValues, Workers128, []Sample{{Ops: 90}}),
			NewSeries(Native, Edge, []Sample{{Ops: 100, CPU: 10}}),
			NewSeries(NativeHTTP2, Edge, []Sample{{Ops: 50}}),
			NewSeries(Shared, Edge, []Sample{{Ops: 40}}),
			NewSeries(GRPCFirst, Edge, []Sample{{Ops: 20}}),
			NewSeries(RESTFirst, Edge, []Sample{{Ops: 20}}),
			NewSeries(REST, Edge, []Sample{{Ops: 40, CPU: 25}}),
			NewSeries(Counters, Workers128, []Sample{{Ops: 81}}),
			NewSeries(Hop, Workers128, []Sample{{Ops: 100, CPU: 10}}),
			NewSeries(Actions, Workers128, []Sample{{Ops: 85, CPU: 12}}),
			NewSeries(Hop, Streams, []Sample{{Ops: 100}}),
			NewSeries(Actions, Streams, []Sample{{Ops: 80}}),
			NewSeries(Keyed, Workers128, []Sample{{Ops: 68}}),
			NewSeries(Older, Workers128, []Sample{{Ops: 100 / 0.97}}))
		r.Instances = []Instances{
			{Target: Bare, GOGC: "400", Count: 1024, Before: []float64{1}, After: []float64{2}},
			{Target: Kairn, GOGC: "400", Count: 1024, Before: []float64{1}, After: []float64{90}},
			{Target: Bare, GOGC: JudgedGOGC, Count: 1024, Before: []float64{10}, After: []float64{20}},
			{Target: Kairn, GOGC: JudgedGOGC, Count: 1024, Before: []float64{20}, After: []float64{33}},
		}
		r.Idle = []Idle{{Target: Floor, RSS: []float64{99}}, {Target: Kairn, RSS: []float64{30, 33, 40}}}
		r.Start = []Start{{Target: Kairn, Function: []float64{30}, Both: []float64{130}}}
		return &r
	}
	for _, tt := range []struct {
		name   string
		change func(*Report)
		want   map[int]Verdict // of the goals that aren't reached
	}{
		{name: "all at the limit", change: func(*Report) {}},
		{name: "nothing measured", change: func(r *Report) { *r = Report{} }, want: map[int]Verdict{
			0: NotMeasured, 1: NotMeasured, 2: NotMeasured, 3: NotMeasured, 4: NotMeasured, 5: NotMeasured, 6: NotMeasured, 7: NotMeasured, 8: NotMeasured, 9: NotMeasured,
			10: NotMeasured, 11: NotMeasured, 12: NotMeasured, 13: NotMeasured, 14: NotMeasured,
			15: NotMeasured, 16: NotMeasured, 17: NotMeasured, 18: NotMeasured, 19: NotMeasured, 20: NotMeasured,
		}},
		{name: "too slow and too dear", want: map[int]Verdict{0: Missed, 1: Missed}, change: func(r *Report) {
			r.Series[1] = NewSeries(Kairn, Workers128, []Sample{{Ops: 79, CPU: 13.1}})
		}},
		{name: "hot key too slow", want: map[int]Verdict{4: Missed}, change: func(r *Report) {
			r.Series[5] = NewSeries(Kairn, HotKey, []Sample{{Ops: 79}})
		}},
		{name: "values too slow", want: map[int]Verdict{8: Missed, 9: Missed}, change: func(r *Report) {
			r.Series[6] = NewSeries(Values, Workers128, []Sample{{Ops: 71.9}})
			r.Series[8] = NewSeries(MemoryValues, Workers128, []Sample{{Ops: 89.9}})
		}},
		{name: "shared port too slow", want: map[int]Verdict{10: Missed, 12: Missed, 13: Missed, 14: Missed}, change: func(r *Report) {
			r.Series[11] = NewSeries(Shared, Edge, []Sample{{Ops: 39.9}})
			r.Series[13] = NewSeries(RESTFirst, Edge, []Sample{{Ops: 19.9}})
			r.Series[14] = NewSeries(REST, Edge, []Sample{{Ops: 39.9, CPU: 25.1}})
		}},
		{name: "counters too slow", want: map[int]Verdict{15: Missed}, change: func(r *Report) {
			r.Series[15] = NewSeries(Counters, Workers128, []Sample{{Ops: 80.9}})
		}},
		{name: "actions too slow and too dear", want: map[int]Verdict{16: Missed, 17: Missed, 18: Missed}, change: func(r *Report) {
			r.Series[17] = NewSeries(Actions, Workers128, []Sample{{Ops: 84, CPU: 12.1}})
			r.Series[19] = NewSeries(Actions, Streams, []Sample{{Ops: 79}})
		}},
		{name: "keys too dear", want: map[int]Verdict{19: Missed}, change: func(r *Report) {
			r.Series[20] = NewSeries(Keyed, Workers128, []Sample{{Ops: 67.9}})
		}},
		{name: "slower than before", want: map[int]Verdict{20: Missed}, change: func(r *Report) {
			r.Series[21] = NewSeries(Older, Workers128, []Sample{{Ops: 104}})
		}},
		{name: "instances too large", want: map[int]Verdict{5: Missed}, change: func(r *Report) { r.Instances[3].After[0] = 33.1 }},
		{name: "idle too large", want: map[int]Verdict{6: Missed}, change: func(r *Report) { r.Idle[1].RSS[1] = 33.1 }},
		{name: "start too slow", want: map[int]Verdict{7: Missed}, change: func(r *Report) { r.Start[0].Both[0] = 131 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := full()
			tt.change(r)
			r.Judge()
			for i, g := range r.Goals {
				want, ok := tt.want[i]
				if !ok {
					want = Reached
				}
				if g.Verdict != want {
					t.Errorf("%s: %v with %v, want %v", g.Name, g.Verdict, g.Value, want)
				}
			}
		})
	}
}

func TestReportIsWritten(t *testing.T) {
	r := Report{
		Conditions: Conditions{CPUs: 2, Measurements: []string{"a note"}},
		Series: []Series{
			NewSeries(Floor, HotKey, []Sample{{Ops: 1000, CPU: 10}}),
			NewSeries(Kairn, HotKey, []Sample{{Ops: 900, CPU: 12}}),
			NewSeries(Native, Edge, []Sample{{Ops: 100, CPU: 10}}),
			{Target: Shared, Scenario: Edge, Median: Sample{Ops: 42, CPU: 20}, Rounds: []Sample{{Ops: 42, CPU: 20}}, Allocations: 77},
		},
		Idle: []Idle{{Target: Kairn, RSS: []float64{31}}},
	}
	r.Judge()
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a note", "hot-key", "0.90 (0.90-0.90)", "1.20 (1.20-1.20)", "31.0", "77.0", "0.42 (0.42-0.42)", "reached", "not measured"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Series[1].Median.Ops != 900 || len(back.Goals) != len(r.Goals) || back.Goals[4].Verdict != Reached {
		t.Errorf("read back as %+v", back)
	}
}
