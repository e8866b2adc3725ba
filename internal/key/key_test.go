package key

import "testing"

// TestNoTwoSequencesCollide checks that values can't slide into one another.
func TestNoTwoSequencesCollide(t *testing.T) {
	t.Parallel()
	all := map[string]Key{
		"two strings":   New("d").String("a").String("b").Sum(),
		"one string":    New("d").String("ab").Sum(),
		"moved border":  New("d").String("").String("ab").Sum(),
		"list":          New("d").Strings([]string{"a", "b"}).Sum(),
		"list of one":   New("d").Strings([]string{"ab"}).Sum(),
		"map":           New("d").Map(map[string]string{"a": "b"}).Sum(),
		"other domain":  New("e").String("a").String("b").Sum(),
		"number":        New("d").Int(1).Sum(),
		"truth":         New("d").Bool(true).Sum(),
		"number 0":      New("d").Int(0).Sum(),
		"false":         New("d").Bool(false).Sum(),
		"empty":         New("d").Sum(),
		"empty strings": New("d").Strings(nil).Sum(),
	}
	seen := map[Key]string{}
	for name, k := range all {
		if other, dup := seen[k]; dup {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[k] = name
	}
}

func TestMapOrderDoesNotCount(t *testing.T) {
	t.Parallel()
	m := map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}
	first := New("d").Map(m).Sum()
	for range 20 {
		if New("d").Map(m).Sum() != first {
			t.Fatal("the key of a map must not depend on its order")
		}
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	if got := New("d").Sum().Short(); len(got) != 12 {
		t.Errorf("Short() = %q", got)
	}
	if got := Key("ab").Short(); got != "ab" {
		t.Errorf("Short() = %q", got)
	}
}
