// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"net/http"

	"github.com/kairn-dev/kairn/tck/suite"
)

func httpAPI(t *suite.T) {
	key, other := t.Key(), t.Key()
	path := "/tck/model/eventsourced/" + key
	t.Post(path, `{}`, http.StatusOK, `{"message":""}`)
	s := opened(t, modelService, key)
	s.passed(nil, "")

	t.Post("/"+twoService+"/Call", `{"id":"`+other+`"}`, http.StatusOK, `{"message":""}`)
	opened(t, twoService, other).called()

	t.Post(path, `{"actions":[{"emit":{"value":"x"}}]}`, http.StatusOK, `{"message":"x"}`)
	s.passed(emits("x"), "x", events("x"))

	t.Post(path, `{"actions":[{"fail":{"message":"foo"}}]}`, http.StatusInternalServerError, `foo`)
	s.command(fail("foo"))
	s.FromFunction(refused(s.id, "foo", false))

	t.Post(path, `{"actions":[{"emit":{"value":"y"}}]}`, http.StatusOK, `{"message":"xy"}`)
	s.passed(emits("y"), "xy", events("y"))

	t.Post(path, `{"actions":[{"emit":{"value":"z"}},{"fail":{"message":"bar"}}]}`, http.StatusInternalServerError, `bar`)
	s.command(emit("z"), fail("bar"))
	s = s.failed(t, "bar", "x", "y")

	t.Post(path, `{"actions":[{"emit":{"value":"z"}}]}`, http.StatusOK, `{"message":"xyz"}`)
	s.passed(emits("z"), "xyz", events("z"))
}
