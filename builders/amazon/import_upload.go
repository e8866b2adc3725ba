package amazon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/journal"
)

const (
	partSize  = 16 << 20 // of an upload, at least
	mostParts = 9000     // S3 takes 10,000
)

// S3 returns a client of the region's buckets.
func (r *Region) S3() *s3.Client {
	return s3.NewFromConfig(r.Config, func(o *s3.Options) {
		o.UsePathStyle = r.Config.BaseEndpoint != nil // which has no names of buckets before it
	})
}

// upload puts the file into the bucket, in parts and without holding it in
// memory.
func (m *importing) upload(ctx context.Context) (*journal.Entry, error) {
	d := m.disk
	f, err := os.Open(d.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	entry, err := m.intend(kindObject, d.Bucket+"/"+d.Key, "")
	if err != nil {
		return nil, err
	}
	m.env.Log.Say(fmt.Sprintf("Uploading %s to s3://%s/%s", filepath.Base(d.File), d.Bucket, d.Key))
	in := &transfermanager.UploadObjectInput{Bucket: &d.Bucket, Key: &d.Key, Body: f, ServerSideEncryption: tmtypes.ServerSideEncryption(d.Encryption)}
	if d.EncryptionKey != "" {
		in.SSEKMSKeyID = &d.EncryptionKey
	}
	_, err = transfermanager.New(m.region.S3(), func(o *transfermanager.Options) {
		o.PartSizeBytes, o.FailTimeout = max(partSize, st.Size()/mostParts+1), 10*time.Second
	}).UploadObject(ctx, in)
	if err != nil {
		err = m.region.explain(ctx, "upload to s3://"+d.Bucket+"/"+d.Key, err)
		return nil, errors.Join(err, m.removeUpload(ctx, entry))
	}
	return entry, entry.Made(d.Bucket + "/" + d.Key)
}

// removeUpload removes the object, and what there is of one.
func (m *importing) removeUpload(ctx context.Context, entry *journal.Entry) error {
	ctx, cancel := machine.Outlive(ctx)
	defer cancel()
	name := entry.Resource().Name
	if err := removeObject(ctx, m.region, resource(name, name, nil)); err != nil && !hasCode(err, "NoSuchBucket") {
		return m.region.explain(ctx, "remove s3://"+name, err)
	}
	return entry.Gone()
}

// uploads returns the ids of uploads to an object that were begun and not
// completed.
func (r *Region) uploads(ctx context.Context, bucket, key string) ([]string, error) {
	var ids []string
	p := s3.NewListMultipartUploadsPaginator(r.S3(), &s3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &key})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return ids, err
		}
		for _, u := range page.Uploads {
			if aws.ToString(u.Key) == key {
				ids = append(ids, aws.ToString(u.UploadId))
			}
		}
	}
	return ids, nil
}

// findObjects finds objects that a journal names, whole or begun.
func findObjects(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	var out []*thing
	for _, name := range valuesOf(filters, "name") {
		bucket, key, _ := strings.Cut(name, "/")
		_, err := r.S3().HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
		if hasCode(err, "NotFound", "NoSuchKey") {
			var begun []string
			if begun, err = r.uploads(ctx, bucket, key); err == nil && len(begun) == 0 {
				continue
			}
		}
		if err != nil {
			return out, err
		}
		out = append(out, resource(name, name, nil))
	}
	return out, nil
}

// removeObject deletes an object, and aborts uploads to it.
func removeObject(ctx context.Context, r *Region, t *thing) error {
	bucket, key, _ := strings.Cut(t.ID, "/")
	begun, err := r.uploads(ctx, bucket, key)
	if err != nil && !hasCode(err, "AccessDenied") { // who may not list them has none left: the upload aborts its own
		return err
	}
	for _, id := range begun {
		_, err := r.S3().AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: &id})
		if err != nil && !hasCode(err, "NoSuchUpload") {
			return err
		}
	}
	_, err = r.S3().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	return err
}
