package main

import (
	"regexp"
	"strings"
)

var goNames = regexp.MustCompile(`\b[A-Z][A-Za-z0-9]*\b`)

// namer puts the names of the C interface where a Go doc comment has Go's.
type namer struct {
	names map[string]string // several words in one, such as ResidentBytes or LimitMemory: never an English word
	enums map[string]string // Go type: the constants' prefix
}

func newNamer(m *Model) *namer {
	n := &namer{map[string]string{}, map[string]string{}}
	add := func(goName, cName string) {
		if strings.Contains(snake(goName), "_") {
			n.names[goName] = cName
		}
	}
	for _, s := range m.Structs {
		for _, f := range s.Fields {
			add(f.GoName, f.CName)
		}
	}
	for _, s := range m.Structs {
		add(s.GoName, s.CName)
	}
	for _, enum := range m.Enums {
		add(enum.GoName, "mimir_"+strings.TrimPrefix(enum.CName, "mimir_"))
		n.enums[enum.GoName] = enum.Prefix
		for _, item := range enum.Items {
			add(item.GoName, item.CName)
		}
	}
	return n
}

// leadingVerb finds "selects" in "UsageAll selects everything".
var leadingVerb = regexp.MustCompile(`^ [a-z]+s `)

// text translates the doc comment of self. "Self is", "Self are", "Self means that" and "Self:" at its start go: in a
// manual the name stands beside the sentence. So does the subject of another sentence about a member of an enum or struct.
func (n *namer) text(doc, self, cSelf string, member bool) string {
	if rest, found := strings.CutPrefix(doc, self); found && rest != "" && !isWord(rest[0]) {
		doc = cSelf + rest
		for _, verb := range []string{" is ", " are ", " means that ", " means ", ": "} {
			sentence, found := strings.CutPrefix(rest, verb)
			if found && !(verb == " means that " && continuesThat.MatchString(sentence)) {
				doc = capitalized(sentence)
				break
			}
			if found {
				break
			}
		}
		if verb := leadingVerb.FindString(rest); verb != "" && member && doc == cSelf+rest {
			doc = capitalized(rest[1:])
		}
	}
	for goName, prefix := range n.enums {
		for _, plural := range []string{" constants", " constant", " bits"} {
			doc = regexp.MustCompile(`\b`+goName+plural+`\b`).ReplaceAllString(doc, prefix+"*"+plural)
		}
	}
	return goNames.ReplaceAllStringFunc(doc, func(word string) string {
		if cName, found := n.names[word]; found {
			return cName
		}
		return word
	})
}

// continuesThat finds "X means that a, or that b", which needs its beginning.
var continuesThat = regexp.MustCompile(`\b(and|or) that\b`)

var plainWord = regexp.MustCompile(`^[a-z]+\b`)

// capitalized begins a sentence with a capital, unless it begins with a name: macOS, errno.
func capitalized(sentence string) string {
	word := plainWord.FindString(sentence)
	switch word {
	case "", "errno", "getrusage", "libmimir":
		return sentence
	}
	if rest := sentence[len(word):]; rest != "" && isWord(rest[0]) {
		return sentence
	}
	return strings.ToUpper(word[:1]) + sentence[1:]
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// wrap breaks text into lines of at most width characters. Paragraphs stay apart; indented lines stay as they are.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	flush := func() {
		if line != "" {
			lines = append(lines, line)
			line = ""
		}
	}
	for source := range strings.Lines(text) {
		source = strings.TrimRight(source, " \t\n")
		switch {
		case source == "":
			flush()
			lines = append(lines, "")
			continue
		case source[0] == ' ' || source[0] == '\t':
			flush()
			lines = append(lines, strings.ReplaceAll(source, "\t", "    "))
			continue
		}
		for _, word := range strings.Fields(source) {
			if line != "" && len(line)+1+len(word) > width {
				flush()
			}
			if line != "" {
				line += " "
			}
			line += word
		}
	}
	flush()
	return lines
}
