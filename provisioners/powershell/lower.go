package powershell

import (
	"fmt"
	"path"
	"strings"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/script"
)

// temp is where files are put on a Windows machine.
const temp = "c:/Windows/Temp/"

// lowering is one script on its way to ops.
type lowering struct {
	*Config
	in    provisioners.Input
	vars  secret.String
	body  script.Body
	index int
}

// name is the path of a file that no other step has.
func (l lowering) name(what, extension string) string {
	folder := temp
	if l.unix() {
		folder = path.Dir(l.RemotePath) + "/"
	}
	return fmt.Sprintf("%s%s-%s-%d-%d%s", folder, what, op.Token(op.Scratch), l.in.Index, l.index, extension)
}

func (l lowering) scriptPath() string {
	p := l.RemotePath
	switch {
	case p == "":
		return l.name("script", ".ps1")
	case strings.HasSuffix(p, "/"), strings.HasSuffix(p, `\`):
		if l.body.File == "" {
			return p + fmt.Sprintf("script-%s-%d.ps1", op.Token(op.Scratch), l.in.Index)
		}
		return p + path.Base(l.body.File)
	}
	return p
}

func (l lowering) ops() ([]op.Op, error) {
	exec := l.Exec(l.ValidExitCodes)
	file := op.File{Path: l.scriptPath(), Mode: 0o700, Blob: l.body.Blob}
	var ops []op.Op
	if l.SkipClean {
		ops = append(ops, &op.Put{File: file})
	} else {
		exec.Inputs = []op.File{file}
	}
	vars := l.RemoteEnvVarPath
	if vars == "" {
		vars = l.name("vars", ".ps1")
	}
	template := l.template()
	if strings.Contains(template.Reveal(), ".Vars") {
		exec.Inputs = append(exec.Inputs, op.File{Path: vars, Mode: 0o600, Blob: op.Text(l.vars)})
	}
	option := "execute_command"
	if l.ElevatedUser != "" {
		option = "elevated_execute_command"
	}
	command, err := script.Render(l.in, option, template, map[string]secret.String{
		"Path": secret.Plain(file.Path), "Vars": secret.Plain(vars),
	})
	if err != nil {
		return nil, err
	}
	if l.ElevatedUser != "" {
		runner := l.name("elevated", ".ps1")
		exec.Inputs = append(exec.Inputs, op.File{Path: runner, Mode: 0o600, Blob: op.Text(l.runner(command))})
		exec.Cmd = `powershell -executionpolicy bypass -file "` + runner + `"`
		return append(ops, exec), nil
	}
	l.command(exec, command, file.Path, vars)
	return append(ops, exec), nil
}

// command sets the command of exec. A sensitive one goes into a file.
func (l lowering) command(exec *op.Exec, command secret.String, file, vars string) {
	switch {
	case l.unix() && l.ExecuteCommand.Reveal() == "":
		exec.Argv = l.direct(file, vars)
	case l.unix() && script.Revealing(command):
		name := l.name("command", ".sh")
		exec.Inputs = append(exec.Inputs, op.File{Path: name, Mode: 0o700, Blob: op.Text(command.With(command.Reveal() + "\n"))})
		exec.Argv = []string{"/bin/sh", name}
	case l.unix():
		exec.Argv = []string{"/bin/sh", "-c", command.Reveal()}
	case script.Revealing(command):
		name := l.name("command", ".cmd")
		exec.Inputs = append(exec.Inputs, op.File{Path: name, Blob: op.Text(script.Batch(command))})
		exec.Cmd = `"` + name + `"`
	default:
		exec.Cmd = command.Reveal()
	}
}

// direct is the default command without a shell in between.
func (l lowering) direct(file, vars string) []string {
	argv := []string{"pwsh"}
	if !l.anyPolicy() {
		argv = append(argv, "-executionpolicy", l.ExecutionPolicy)
	}
	if l.body.File == "" {
		return append(argv, "-file", file)
	}
	return append(argv, "-command", strings.NewReplacer("{{.Vars}}", vars, "{{.Path}}", file).Replace(l.block()))
}

func (l lowering) anyPolicy() bool { return strings.EqualFold(l.ExecutionPolicy, "none") }

// template is the command that runs the script.
func (l lowering) template() secret.String {
	given := l.ExecuteCommand
	if l.ElevatedUser != "" {
		given = l.ElevatedExecuteCommand
	}
	if given.Reveal() != "" {
		return given
	}
	program := "powershell"
	if l.UsePwsh || l.unix() {
		program = "pwsh"
	}
	if !l.anyPolicy() {
		program += " -executionpolicy " + l.ExecutionPolicy
	}
	if l.body.File == "" {
		return secret.Plain(program + " -file {{.Path}}")
	}
	return secret.Plain(program + ` -command "` + l.block() + `"`)
}

// block runs a script with its environment.
func (l lowering) block() string {
	trace := ""
	if l.DebugMode > 0 {
		trace = l.trace() + "; "
	}
	return "& { " + quiet + "; " + trace + ". {{.Vars}}; &'{{.Path}}'; exit $LastExitCode }"
}

func (c *Config) trace() string { return fmt.Sprintf("Set-PSDebug -Trace %d", c.DebugMode) }

// runner is the script that runs a command as a scheduled task of the elevated
// user, and prints what it prints.
func (l lowering) runner(command secret.String) secret.String {
	head := []secret.String{
		l.ElevatedPassword.With("$password = \"" + op.QuotePowerShell(l.ElevatedPassword.Reveal()) + `"`),
		secret.Plain(`$user = "` + op.QuotePowerShell(l.ElevatedUser) + `"`),
		command.With(`$line = "` + op.QuotePowerShell(command.Reveal()) + `"`),
		secret.Plain(`$name = "` + path.Base(l.name("ingot", "")) + `"`),
		secret.Plain(runnerScript),
	}
	return secret.Join(head, "\n")
}

// runnerScript needs $user, $password, $line and $name. It speaks to the task
// scheduler by its COM objects:
// https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-objects
const runnerScript = `$ErrorActionPreference = 'Stop'
$log = [IO.Path]::Combine($env:SystemRoot, 'Temp', "$name.out")
$service = New-Object -ComObject Schedule.Service
$service.Connect()
$folder = $service.GetFolder('\')
$task = $service.NewTask(0)
$task.RegistrationInfo.Description = 'an elevated step of an image build'
$task.Principal.RunLevel = 1
$task.Settings.DisallowStartIfOnBatteries = $false
$task.Settings.StopIfGoingOnBatteries = $false
$task.Settings.ExecutionTimeLimit = 'PT0S'
$task.Settings.Priority = 4
$action = $task.Actions.Create(0)
$action.Path = 'cmd.exe'
$action.Arguments = "/c $line > ""$log"" 2>&1"
$logon = 1
if ($password.Length -eq 0) { $logon = 5; $password = $null }
$script:seen = 0
function Show {
  if (-not (Test-Path $log)) { return }
  $f = New-Object IO.FileStream($log, 'Open', 'Read', 'ReadWrite')
  try {
    [void]$f.Seek($script:seen, 'Begin')
    $b = New-Object byte[] ($f.Length - $script:seen)
    $n = $f.Read($b, 0, $b.Length)
    $script:seen += $n
    if ($n -gt 0) {
      $page = [Globalization.CultureInfo]::CurrentCulture.TextInfo.OEMCodePage
      [Console]::Out.Write([Text.Encoding]::GetEncoding($page).GetString($b, 0, $n))
    }
  } finally { $f.Close() }
}
$notYet = 267011
try {
  $made = $folder.RegisterTaskDefinition($name, $task, 6, $user, $password, $logon)
  [void]$made.Run($null)
  $started = [DateTime]::UtcNow
  do {
    Start-Sleep -Milliseconds 100
    Show
    $waits = $made.LastTaskResult -eq $notYet -and ([DateTime]::UtcNow - $started).TotalSeconds -lt 60
  } while ($made.State -eq 4 -or $made.State -eq 2 -or $waits)
  Show
  $result = $made.LastTaskResult
} finally {
  try { $folder.DeleteTask($name, 0) } catch { }
  Remove-Item $log -Force -ErrorAction SilentlyContinue
}
exit $result
`
