package winrm

import (
	"encoding/base64"
	"strings"
)

// putScript writes files from its standard input, one item a line: ":f" and a
// path in base64 begins a file, ":z" and a folder an archive to unpack there;
// lines of base64 are its content; "." ends it. Each is written beside its
// place and moved, and its SHA-256 is printed.
const putScript = mark + `put
begin {
  $ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
  $f = $null; $failed = $false
  function Full($b) {
    $p = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($b))
    if ($p -like '*$env:*') { $p = $ExecutionContext.InvokeCommand.ExpandString($p) }
    [IO.Path]::GetFullPath($p)
  }
  function Unpack($zip, $dir) {
    Add-Type -AssemblyName System.IO.Compression.FileSystem
    [void][IO.Directory]::CreateDirectory($dir)
    $z = [IO.Compression.ZipFile]::OpenRead($zip)
    try {
      foreach ($e in $z.Entries) {
        $to = [IO.Path]::GetFullPath([IO.Path]::Combine($dir, $e.FullName))
        if ($e.FullName.EndsWith('/')) { [void][IO.Directory]::CreateDirectory($to); continue }
        [void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($to))
        [IO.Compression.ZipFileExtensions]::ExtractToFile($e, $to, $true)
      }
    } finally { $z.Dispose() }
  }
}
process {
  $line = [string]$input
  if ($failed -or $line.Length -eq 0) { return }
  try {
    if ($line[0] -eq ':') {
      $kind = $line[1]; $path = Full $line.Substring(2)
      if ($kind -eq 'z') { $tmp = [IO.Path]::GetTempFileName() } else {
        if ([IO.Directory]::Exists($path)) { throw "$path is a folder" }
        [void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($path))
        $tmp = $path + '.ingot'
      }
      $f = [IO.File]::Create($tmp); $h = [Security.Cryptography.SHA256]::Create()
    } elseif ($line -eq '.') {
      $f.Close(); $f = $null
      [void]$h.TransformFinalBlock((New-Object byte[] 0), 0, 0)
      if ($kind -eq 'z') { Unpack $tmp $path; [IO.File]::Delete($tmp) } else {
        if ([IO.File]::Exists($path)) { [IO.File]::Delete($path) }
        [IO.File]::Move($tmp, $path)
      }
      'put:' + [BitConverter]::ToString($h.Hash).Replace('-', '').ToLowerInvariant()
    } else {
      $b = [Convert]::FromBase64String($line)
      [void]$h.TransformBlock($b, 0, $b.Length, $b, 0)
      $f.Write($b, 0, $b.Length)
    }
  } catch {
    $failed = $true
    if ($f) { $f.Close(); [IO.File]::Delete($tmp) }
    'fail:' + $_.Exception.GetBaseException().Message
  }
}
end { if ($failed) { exit 1 } }
`

// getScript prints a file as lines of base64, and its length at the end. Of a
// folder it prints an archive.
const getScript = mark + `get
$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
$dir = DIR; $p = PATH; $tmp = $null
try {
  if ($p -like '*$env:*') { $p = $ExecutionContext.InvokeCommand.ExpandString($p) }
  $p = [IO.Path]::GetFullPath($p)
  if ($dir) {
    if (-not [IO.Directory]::Exists($p)) { throw "there is no folder $p" }
    Add-Type -AssemblyName System.IO.Compression.FileSystem
    $tmp = [IO.Path]::GetTempFileName(); [IO.File]::Delete($tmp)
    [IO.Compression.ZipFile]::CreateFromDirectory($p, $tmp)
    $p = $tmp
  } elseif ([IO.Directory]::Exists($p)) { throw "$p is a folder: end its path with / to get its content" }
  $f = [IO.File]::OpenRead($p)
  try {
    $b = New-Object byte[] 49152
    $size = 0
    while (($n = $f.Read($b, 0, $b.Length)) -gt 0) {
      [Console]::Out.WriteLine([Convert]::ToBase64String($b, 0, $n))
      $size += $n
    }
  } finally { $f.Close() }
  [Console]::Out.WriteLine('size:' + $size)
} catch {
  [Console]::Out.WriteLine('fail:' + $_.Exception.GetBaseException().Message)
  exit 1
} finally { if ($tmp) { [IO.File]::Delete($tmp) } }
`

// flushScript writes what the machine has in memory for its disks there.
const flushScript = mark + `flush
$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
Get-Volume | Where-Object { $_.DriveType -eq 'Fixed' -and $_.DriveLetter } | Write-VolumeCache
'flushed'
`

// getText is getScript for a path.
func getText(path string, dir bool) string {
	flag := "$false"
	if dir {
		flag = "$true"
	}
	return strings.NewReplacer("DIR", flag, "PATH", Literal(path)).Replace(getScript)
}

// Literal returns text as PowerShell writes it between single quotes. The
// typographic quotes are quotes to PowerShell too.
func Literal(text string) string {
	return "'" + strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019",
		"\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b").Replace(text) + "'"
}

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
