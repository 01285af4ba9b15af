// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/tck/report"
)

var results = []report.Result{
	{Number: "1", Section: "S", Name: "good", Status: report.Passed, Took: 1500 * time.Millisecond},
	{Number: "2", Section: "S", Name: "bad", Status: report.Failed, Reason: "no\nbecause <of> it", Exchange: "a > b"},
	{Number: "K1", Section: "T", Name: "not there", Status: report.Pending, Reason: "nothing to test"},
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	for i := range results {
		if err := report.Line(&b, &results[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := report.Summary(&b, results); err != nil {
		t.Fatal(err)
	}
	const want = `passed   1    good
failed   2    bad
    no
    because <of> it

    The exchange:

    a > b

pending  K1   not there: nothing to test
1 pending
1 passed, 1 failed
`
	if b.String() != want {
		t.Errorf("text\n%s\nwant\n%s", b.String(), want)
	}
}

func TestSummaryOfAFullRunIsOneLine(t *testing.T) {
	var b bytes.Buffer
	if err := report.Summary(&b, results[:1]); err != nil || b.String() != "1 passed, 0 failed\n" {
		t.Errorf("summary %q, %v", b.String(), err)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, results); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Passed, Failed, Pending int
		Cases                   []report.Result
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Passed != 1 || got.Failed != 1 || got.Pending != 1 || len(got.Cases) != 3 || got.Cases[1] != results[1] {
		t.Errorf("JSON %+v", got)
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := report.JUnit(&b, results); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<testsuite name="S" tests="2" failures="1" skipped="0">`,
		`<testcase classname="S" name="1 good" time="1.500"></testcase>`,
		`<failure message="no">no&#xA;because &lt;of&gt; it`,
		`<testsuite name="T" tests="1" failures="0" skipped="1">`,
		`<skipped message="nothing to test">`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("JUnit\n%s\nhas no\n%s", b.String(), want)
		}
	}
}
