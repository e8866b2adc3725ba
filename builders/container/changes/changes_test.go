package changes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Changes do what docker commit --change does.
func TestChanges(t *testing.T) {
	t.Parallel()
	list, err := Parse([]string{
		`CMD ["nginx", "-g", "daemon off;"]`,
		"ENTRYPOINT . /opt/venv/bin/activate && exec python main.py",
		"ENV HOME_DIR $HOME/config",
		"ENV A=1 B='two words' PATH=/opt/bin:$PATH",
		"EXPOSE 80 443/tcp 53/udp 8000-8001",
		`LABEL org.example.source=https://example.com description='some text'`,
		`VOLUME ["/data", "/logs"]`,
		"VOLUME /more",
		"WORKDIR /srv", "WORKDIR sub",
		"USER web",
		"ONBUILD RUN make",
		"STOPSIGNAL SIGTERM",
		"HEALTHCHECK --interval=5s CMD curl -f http://localhost/",
	})
	if err != nil {
		t.Fatal(err)
	}
	img := &dockerspec.DockerOCIImage{}
	img.Config.Env = []string{"PATH=/usr/bin", "HOME=/root"}
	if err := Apply(img, list); err != nil {
		t.Fatal(err)
	}
	none := struct{}{}
	want := ocispec.ImageConfig{
		User:         "web",
		ExposedPorts: map[string]struct{}{"80/tcp": none, "443/tcp": none, "53/udp": none, "8000/tcp": none, "8001/tcp": none},
		Env:          []string{"PATH=/opt/bin:/usr/bin", "HOME=/root", "HOME_DIR=/root/config", "A=1", "B=two words"},
		Entrypoint:   []string{"/bin/sh", "-c", ". /opt/venv/bin/activate && exec python main.py"},
		Cmd:          []string{"nginx", "-g", "daemon off;"},
		Volumes:      map[string]struct{}{"/data": none, "/logs": none, "/more": none},
		WorkingDir:   "/srv/sub",
		Labels:       map[string]string{"org.example.source": "https://example.com", "description": "some text"},
		StopSignal:   "SIGTERM",
	}
	if diff := cmp.Diff(want, img.Config.ImageConfig); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"RUN make"}, img.Config.OnBuild); diff != "" {
		t.Error(diff)
	}
	if h := img.Config.Healthcheck; h == nil || h.Interval.String() != "5s" || len(h.Test) != 2 {
		t.Errorf("health check: %+v", h)
	}
}
