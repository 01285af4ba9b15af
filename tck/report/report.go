// SPDX-License-Identifier: Apache-2.0

// Package report says what became of the cases of a run: as text for people,
// as JSON, and as the XML that build servers read as JUnit results.
package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Status is what became of a case.
type Status string

// What may become of a case.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Pending Status = "pending" // it could not run
)

// A Result is what became of one case.
type Result struct {
	Number   string        `json:"number"`
	Section  string        `json:"section"`
	Name     string        `json:"name"`
	Status   Status        `json:"status"`
	Reason   string        `json:"reason,omitempty"`   // why it is not passed
	Exchange string        `json:"exchange,omitempty"` // of a failed case: who said what, in order
	Took     time.Duration `json:"took_ns"`
}

// Count returns how many results have that status.
func Count(results []Result, s Status) int {
	n := 0
	for i := range results {
		if results[i].Status == s {
			n++
		}
	}
	return n
}

// Line writes the result of one case, and everything about it if it failed.
func Line(w io.Writer, r *Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-7s  %-4s %s", r.Status, r.Number, r.Name)
	switch r.Status {
	case Pending:
		fmt.Fprintf(&b, ": %s", r.Reason)
	case Failed:
		fmt.Fprintf(&b, "\n%s", indent(r.Reason))
		if r.Exchange != "" {
			fmt.Fprintf(&b, "\n\n    The exchange:\n\n%s\n", indent(r.Exchange))
		}
	case Passed:
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}

// Summary writes the last lines of a report.
func Summary(w io.Writer, results []Result) error {
	if n := Count(results, Pending); n > 0 {
		if _, err := fmt.Fprintf(w, "%d pending\n", n); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d passed, %d failed\n", Count(results, Passed), Count(results, Failed))
	return err
}

// JSON writes the results as one JSON value.
func JSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Passed  int      `json:"passed"`
		Failed  int      `json:"failed"`
		Pending int      `json:"pending"`
		Cases   []Result `json:"cases"`
	}{Count(results, Passed), Count(results, Failed), Count(results, Pending), results})
}

type (
	testSuites struct {
		XMLName xml.Name    `xml:"testsuites"`
		Suites  []testSuite `xml:"testsuite"`
	}
	testSuite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testCase `xml:"testcase"`
	}
	testCase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    string   `xml:"time,attr"` // in seconds
		Failure *message `xml:"failure"`
		Skipped *message `xml:"skipped"`
	}
	message struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the results as JUnit does, a suite for each section.
func JUnit(w io.Writer, results []Result) error {
	var doc testSuites
	for i := range results {
		r := &results[i]
		if n := len(doc.Suites); n == 0 || doc.Suites[n-1].Name != r.Section {
			doc.Suites = append(doc.Suites, testSuite{Name: r.Section})
		}
		s := &doc.Suites[len(doc.Suites)-1]
		c := testCase{Class: r.Section, Name: r.Number + " " + r.Name, Time: fmt.Sprintf("%.3f", r.Took.Seconds())}
		switch r.Status {
		case Failed:
			s.Failures++
			first, _, _ := strings.Cut(r.Reason, "\n")
			c.Failure = &message{first, r.Reason + "\n\n" + r.Exchange}
		case Pending:
			s.Skipped++
			c.Skipped = &message{Message: r.Reason}
		case Passed:
		}
		s.Tests++
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
