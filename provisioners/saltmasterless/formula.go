package saltmasterless

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
)

// formula is a folder of a git repository.
type formula struct{ repository, folder, ref string }

var formulaPattern = regexp.MustCompile(`^(?:git::)?(.+\.git)//([A-Za-z0-9_-]+)(?:\?(.*))?$`)

// parseFormula takes an address apart as Packer writes them: where it names no
// protocol, and is not as ssh writes it, it is for https.
func parseFormula(address string) (formula, error) {
	m := formulaPattern.FindStringSubmatch(address)
	if m == nil {
		return formula{}, component.Errorf("formulas", `%q is not written as "git::https://HOST/REPOSITORY.git//FOLDER"`, address)
	}
	f := formula{repository: m[1], folder: m[2]}
	if host, path, _ := strings.Cut(f.repository, "/"); !strings.ContainsAny(host, ":@") && strings.Contains(host, ".") && path != "" && host[0] != '.' {
		f.repository = "https://" + f.repository
	}
	query, err := url.ParseQuery(m[3])
	if err != nil {
		return formula{}, component.Errorf("formulas", "%q: %v", address, err)
	}
	for name := range query {
		switch name {
		case "ref":
			f.ref = query.Get("ref")
		case "depth": // only the one revision is fetched
		default:
			return formula{}, component.Errorf("formulas", `%q: only "ref" is supported after "?", not %q`, address, name)
		}
	}
	return f, nil
}
