package plan

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
)

// compile compiles the builds of jobs, and adds those without errors.
func (p *Plan) compile(jobs []*job, check bool) hcl.Diagnostics {
	var diags hcl.Diagnostics
	refused := newRefusals()
	if check {
		diags = checkAll(jobs, refused)
	} else {
		compileAll(jobs, refused)
	}
	checkParents(jobs)
	for _, j := range jobs {
		diags = append(diags, j.diags...)
		switch {
		case j.diags.HasErrors() || refused.jobs[j]:
		case j.outside:
			j.build.leave()
			p.Outside = append(p.Outside, j.build)
		default:
			p.Builds = append(p.Builds, j.build)
		}
	}
	return append(diags, refused.diags()...)
}

// job is the compilation of one build.
type job struct {
	*compiler
	address string
	publish Publish
	outside bool // it is not to be run

	build *Build
	diags hcl.Diagnostics
}

// compileAll compiles builds, as many at a time as there are processors.
func compileAll(jobs []*job, refused *refusals) {
	parallel(len(jobs), func(i int) {
		j := jobs[i]
		j.build, j.diags = j.compiler.build(j.address, j.publish)
	})
	for _, j := range jobs {
		for _, s := range j.build.allSteps() {
			refused.add(j, s.Type, s.Range, kindsOf(s.Ops))
		}
	}
}

// allSteps are the steps of the build, those of its cleaning up and of its tests.
func (b *Build) allSteps() []*Step {
	out := slices.Clone(b.Steps)
	if b.Cleanup != nil {
		out = append(out, b.Cleanup)
	}
	for _, x := range b.Tests {
		out = append(out, x.Steps...)
	}
	return out
}

// parallel calls do for 0 to n-1, as many at a time as there are processors.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	var done sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		done.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				do(int(i - 1))
			}
		})
	}
	done.Wait()
}
