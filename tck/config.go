// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/kairn-dev/kairn/tck/report"
)

// A config says what is tested, and where the reports go.
type config struct {
	function     string        // address; "" for our own, in this process
	proxy        string        // address; "" for none
	proxyCommand string        // that starts a proxy; "" for none
	listen       string        // address where the proxy believes the function is
	http         string        // base URL of the proxy's HTTP; "" for none
	cases        string        // numbers of the cases to run, with commas; "" for all
	except       string        // of those that are left out
	json, junit  string        // files; "" for none
	wait         time.Duration // for function and proxy to come up
	storeFails   bool          // whether the proxy's store fails on demand
	env          []string      // of the proxy that is started, besides our own
}

func configFrom(args []string, out io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("tck", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&c.function, "function", "", "`address` of the function; our own, in this process, if not given")
	flags.StringVar(&c.proxy, "proxy", "", "`address` of the proxy's gRPC; needs -listen")
	flags.StringVar(&c.listen, "listen", "127.0.0.1:0", "`address` where the proxy believes the function is")
	flags.StringVar(&c.proxyCommand, "proxy-command", "", "`command` that starts the proxy; gets USER_FUNCTION_HOST, USER_FUNCTION_PORT,\n"+
		"GRPC_ADDR, HTTP_ADDR and ADMIN_ADDR, and logs a JSON object with msg \"serving\" and\n"+
		"its addresses in grpc and http")
	flags.StringVar(&c.http, "http", "", "base `URL` of the proxy's HTTP, such as http://127.0.0.1:9000")
	flags.StringVar(&c.cases, "cases", "", "`numbers` of the cases to run, such as 91,93,K2; all if not given")
	flags.StringVar(&c.except, "except", "", "`numbers` of the cases to leave out")
	flags.StringVar(&c.json, "json", "", "`file` for the results as JSON")
	flags.StringVar(&c.junit, "junit", "", "`file` for the results as JUnit does")
	flags.BoolVar(&c.storeFails, "store-fails", false, "whether the proxy's store fails on demand, as package tck/trouble says")
	flags.DurationVar(&c.wait, "wait", time.Minute, "how long to wait for function and proxy to come up")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	var errs []error
	wrong := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New(text))
		}
	}
	wrong(flags.NArg() > 0, fmt.Sprintf("unexpected argument %q; see -help", flags.Arg(0)))
	wrong(c.proxy != "" && c.proxyCommand != "", "-proxy and -proxy-command exclude each other")
	wrong(c.proxy != "" && strings.HasSuffix(c.listen, ":0"), "-proxy needs -listen with the port that the proxy was told is the function's")
	wrong(c.http != "" && c.proxy == "" && c.proxyCommand == "", "-http needs a proxy")
	return c, errors.Join(errs...)
}

// toFile writes a report.
func toFile(name string, results []report.Result, write func(io.Writer, []report.Result) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f, results), f.Close())
}
