package amazon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
)

// task imports what was uploaded, and returns the image that comes of it.
func (m *importing) task(ctx context.Context) (types.Image, *journal.Entry, error) {
	in := m.taskInput()
	entry, err := m.intend(kindImport, "", *in.ClientToken)
	if err != nil {
		return types.Image{}, nil, err
	}
	id, err := m.begin(ctx, in)
	if err != nil {
		if refused(err) {
			err = errors.Join(err, entry.Gone())
		}
		return types.Image{}, nil, m.region.explain(ctx, "import s3://"+m.disk.Bucket+"/"+m.disk.Key, roleHint(err))
	}
	if err := entry.Made(id); err != nil {
		return types.Image{}, nil, err
	}
	img, err := m.result(ctx, id)
	if err != nil {
		return img, nil, m.giveUp(ctx, id, entry, err)
	}
	image, err := m.intend(kindImage, aws.ToString(img.Name), "")
	if err == nil {
		err = image.Made(aws.ToString(img.ImageId))
	}
	if err != nil {
		return img, nil, m.giveUp(ctx, id, entry, err)
	}
	return img, image, entry.Gone()
}

// begin asks for the import. It is asked for once, whatever comes.
func (m *importing) begin(ctx context.Context, in *ec2.ImportImageInput) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	ctx, cancel := machine.Outlive(ctx)
	defer cancel()
	out, err := m.region.EC2.ImportImage(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ImportTaskId), nil
}

func (m *importing) taskInput() *ec2.ImportImageInput {
	d := m.disk
	optional := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	token := string(key.New("amazon import task/1").String(m.env.RunID).String(m.origin).String(d.Bucket).String(d.Key).Sum())
	in := &ec2.ImportImageInput{
		Architecture: optional(d.Arch), BootMode: types.BootModeValues(d.BootMode), Platform: optional(d.Platform),
		RoleName: optional(d.Role), LicenseType: optional(d.License), ClientToken: aws.String(token[:64]), Description: optional(m.ami.Description),
		DiskContainers: []types.ImageDiskContainer{{Format: aws.String(d.Format),
			UserBucket: &types.UserBucket{S3Bucket: &d.Bucket, S3Key: &d.Key}}},
		TagSpecifications: tagSpec(types.ResourceTypeImportImageTask, m.marks()),
	}
	if d.Encrypt {
		in.Encrypted, in.KmsKeyId = &d.Encrypt, optional(d.KMSKey)
	}
	return in
}

// result waits for a task, and returns its image with all tags.
func (m *importing) result(ctx context.Context, id string) (types.Image, error) {
	m.env.Log.Say(fmt.Sprintf("Importing s3://%s/%s (%s)", m.disk.Bucket, m.disk.Key, id))
	patience := m.from.patience(importTime)
	waiting, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the import %s is not complete after %s", id, patience))
	defer cancel()
	said := ""
	done, err := m.region.imports.Wait(waiting, id, func(t types.ImportImageTask, exists bool) (bool, error) {
		switch state := aws.ToString(t.Status); {
		case !exists:
			return false, nil
		case state == "completed":
			return aws.ToString(t.ImageId) != "", nil
		case strings.HasPrefix(state, "delet"):
			return false, fmt.Errorf("the import %s ended: %s", id, aws.ToString(t.StatusMessage))
		}
		if text := aws.ToString(t.StatusMessage); text != "" && text != said {
			said = text
			m.env.Log.Say("The import is " + text)
		}
		return false, nil
	})
	if err != nil {
		if code(err) != "" {
			err = m.region.explain(ctx, "wait for the import "+id, err)
		}
		return types.Image{}, err
	}
	return m.mark(ctx, aws.ToString(done.ImageId))
}

// giveUp removes what came of a task that failed, or that nobody waits for.
func (m *importing) giveUp(ctx context.Context, id string, entry *journal.Entry, cause error) error {
	ctx, cancel := machine.Outlive(ctx)
	defer cancel()
	if err := removeImport(ctx, m.region, resource(id, "", nil)); err != nil {
		return errors.Join(cause, m.region.explain(ctx, "cancel the import "+id, err))
	}
	return errors.Join(cause, entry.Gone())
}

// roleHint says what an import needs that AWS has not by itself.
func roleHint(err error) error {
	if err != nil && strings.Contains(err.Error(), "service role") {
		return builders.WithHint(err, "AWS imports with the role vmimport, or that of role_name, which must be able to read the bucket: "+
			"see docs.aws.amazon.com/vm-import/latest/userguide/required-permissions.html")
	}
	return err
}

// fetchImports asks about tasks. One that is not known fails a request for all.
func fetchImports(c *ec2.Client) func(context.Context, []string) (map[string]types.ImportImageTask, error) {
	return func(ctx context.Context, ids []string) (map[string]types.ImportImageTask, error) {
		out := map[string]types.ImportImageTask{}
		page, err := c.DescribeImportImageTasks(ctx, &ec2.DescribeImportImageTasksInput{ImportTaskIds: ids})
		if err == nil {
			for _, t := range page.ImportImageTasks {
				out[aws.ToString(t.ImportTaskId)] = t
			}
			return out, nil
		}
		if !strings.HasPrefix(code(err), "InvalidConversionTaskId") {
			return nil, err
		}
		for _, id := range ids {
			if len(ids) == 1 {
				break
			}
			one, err := fetchImports(c)(ctx, []string{id})
			if err != nil {
				return nil, err
			}
			if t, ok := one[id]; ok {
				out[id] = t
			}
		}
		return out, nil
	}
}

// findImports finds tasks that a journal names, by id, or by tags where the run
// ended before it knew the id. It does not look for those without a journal:
// they end by themselves, and few may list them.
func findImports(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	var out []*thing
	if ids := valuesOf(filters, "import-task-id"); ids != nil {
		found, err := fetchImports(r.EC2)(ctx, ids)
		for id, t := range found {
			out = append(out, resource(id, "", t.Tags))
		}
		return out, err
	}
	run := valuesOf(filters, "tag:"+tagRun)
	if run == nil {
		return nil, nil
	}
	p := ec2.NewDescribeImportImageTasksPaginator(r.EC2, &ec2.DescribeImportImageTasksInput{})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return out, err
		}
		for _, t := range page.ImportImageTasks {
			if tagMap(t.Tags)[tagRun] == run[0] {
				out = append(out, resource(aws.ToString(t.ImportTaskId), "", t.Tags))
			}
		}
	}
	return out, nil
}

// removeImport cancels a task, or removes the image that it has come to.
func removeImport(ctx context.Context, r *Region, t *thing) error {
	_, err := r.EC2.CancelImportTask(ctx, &ec2.CancelImportTaskInput{ImportTaskId: &t.ID})
	if err != nil && transient(err) {
		return err
	}
	found, ferr := fetchImports(r.EC2)(ctx, []string{t.ID}) // it is cancelled, or there was nothing to cancel
	task, ok := found[t.ID]
	switch {
	case ferr != nil || !ok:
		return ferr
	case aws.ToString(task.Status) == "active":
		return err
	}
	id := aws.ToString(task.ImageId)
	if id == "" {
		return nil
	}
	img, ok, err := r.present(ctx, id)
	if err != nil || !ok {
		return err
	}
	return r.removeImage(ctx, img, true)
}
