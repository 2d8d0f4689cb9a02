package main

import (
	"path"
	"slices"
	"strings"
)

// section is a part of the manual: what belongs to one noun, which is one file of export.
type section struct {
	noun, title, intro string

	enums     []*Enum
	consts    []*Const
	structs   []*Struct
	functions []*Function
}

// order is that of the manual. A noun that is not here comes after these, under its own name.
var order = []section{
	{noun: "library", title: "The library itself: version, statuses, the last error"},
	{noun: "system", title: "The system"},
	{noun: "limit", title: "Limits of a running process"},
	{noun: "usage", title: "What a process uses"},
	{noun: "process", title: "Process groups and signals"},
	{noun: "job", title: "Jobs: a command run under limits", intro: "A job goes through these calls: mimir_job_create; " +
		"mimir_job_set_limit and the other setters; mimir_job_run, or mimir_job_start and mimir_job_wait; mimir_job_read for " +
		"what was captured; mimir_job_close."},
	{noun: "monitor", title: "Monitors: what something uses, over time", intro: "A monitor goes through these calls: " +
		"mimir_monitor_create, from which on it is read; mimir_monitor_latest, mimir_monitor_history and mimir_monitor_summarize for " +
		"what was read; mimir_monitor_add_alert and mimir_monitor_next for what is to be told; mimir_monitor_close."},
	{noun: "path", title: "Paths and the user's directories"},
}

// sections spreads the interface over the manual. A struct stands before the first function that takes it; an enum or
// constant stands with the functions of its file's name, or with the first function whose description mentions
// it.
func (m *Model) sections() []*section {
	var all []*section
	find := func(noun string) *section {
		for _, s := range all {
			if s.noun == noun {
				return s
			}
		}
		return nil
	}
	for i := range order {
		s := order[i]
		all = append(all, &s)
	}
	for _, f := range m.Functions {
		s := find(f.Section)
		if s == nil {
			s = &section{noun: f.Section, title: strings.ToUpper(f.Section[:1]) + f.Section[1:]}
			all = append(all, s)
		}
		s.functions = append(s.functions, f)
	}
	all = slices.DeleteFunc(all, func(s *section) bool { return len(s.functions) == 0 })
	if len(all) == 0 {
		return nil
	}

	byFile := func(file string) *section {
		stem := strings.TrimSuffix(path.Base(file), ".go")
		for _, s := range all {
			if strings.HasPrefix(stem, s.noun) {
				return s
			}
		}
		return nil
	}
	firstMention := func(name string) *section {
		for _, s := range all {
			for _, f := range s.functions {
				if strings.Contains(f.Doc, name) {
					return s
				}
			}
		}
		return all[0]
	}
	for _, s := range m.Structs {
		place := firstUse(all, s.CName)
		if place == nil {
			place = all[0]
		}
		place.structs = append(place.structs, s)
	}
	for _, e := range m.Enums {
		place := byFile(e.File)
		if place == nil {
			place = firstMention(e.Prefix)
		}
		place.enums = append(place.enums, e)
	}
	for _, c := range m.Consts {
		place := byFile(c.File)
		if place == nil {
			place = firstMention(c.CName)
		}
		place.consts = append(place.consts, c)
	}
	return all
}

func firstUse(all []*section, structName string) *section {
	for _, s := range all {
		for _, f := range s.functions {
			for _, param := range f.Params {
				if param.Type.c == structName+" *" {
					return s
				}
			}
		}
	}
	return nil
}
