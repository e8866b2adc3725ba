package main

import (
	"os"
	"path/filepath"
)

// stateDir is the user's folder for what ingot must not lose, unlike a cache.
func stateDir() (string, error) {
	if dir := os.Getenv("INGOT_STATE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ingot"), nil
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "ingot"), nil
	}
	cache, err := cacheDir() // set by INGOT_CACHE_DIR, where there is no home
	return filepath.Join(cache, "state"), err
}

// journalDir is where runs write down what they make in clouds. A sandbox has
// a folder of its own, which ends with it.
func journalDir(inSandbox bool) (string, error) {
	if inSandbox {
		d, err := sandboxDaemon()
		if err != nil {
			return "", err
		}
		return filepath.Join(d.Dir, "journal"), nil
	}
	dir, err := stateDir()
	return filepath.Join(dir, "journal"), err
}

// sweepCommand clears what is named there.
func sweepCommand(inSandbox bool) string {
	if inSandbox {
		return "ingot sweep -sandbox"
	}
	return "ingot sweep"
}
