package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// What a dylib needs beyond what zig's linker does, and how one is read to be checked. Numbers are of <mach-o/loader.h>,
// <mach-o/nlist.h>, <mach-o/fat.h> and the kernel's cs_blobs.h.

const (
	machoMagic64 = 0xfeedfacf
	fatMagic     = 0xcafebabe

	cpuAMD64 = 0x01000007
	cpuARM64 = 0x0100000c

	lcSymtab        = 0x2
	lcIDDylib       = 0xd
	lcCodeSignature = 0x1d
	lcDyldInfo      = 0x22
	lcDyldInfoOnly  = 0x80000022
	lcExportsTrie   = 0x80000033
	lcBuildVersion  = 0x32

	headerSize = 32
	nlistSize  = 16
	nExternal  = 0x01
	nTypeMask  = 0x0e
	nPrivate   = 0x10

	platformMacOS = 1
	adHoc         = 0x2
)

// macho is one image, or an object file.
type macho struct {
	b         []byte
	cpu       uint32
	commands  []loadCommand
	installed string // install name
	platform  uint32
	minimum   string // the least version of the system
	// exportsAt and exportsSize say where the offset and the size of the export trie stand.
	exportsAt, exportsSize int
	symbolsAt, symbols     int
	stringsAt              int
	signatureAt            int
}

type loadCommand struct{ kind, at, size int }

var le, be = binary.LittleEndian, binary.BigEndian

// parseMacho reads the load commands of an image.
func parseMacho(b []byte) (*macho, error) {
	if len(b) < headerSize || le.Uint32(b) != machoMagic64 {
		return nil, errors.New("not a 64-bit Mach-O file")
	}
	m := &macho{b: b, cpu: le.Uint32(b[4:])}
	at := headerSize
	for range le.Uint32(b[16:]) {
		if at+8 > len(b) {
			return nil, errors.New("the load commands are cut short")
		}
		c := loadCommand{int(le.Uint32(b[at:])), at, int(le.Uint32(b[at+4:]))}
		if c.size < 8 || at+c.size > len(b) {
			return nil, errors.New("a load command is cut short")
		}
		body := b[at : at+c.size]
		switch c.kind {
		case lcIDDylib:
			m.installed = text(body[le.Uint32(body[8:]):])
		case lcBuildVersion:
			m.platform = le.Uint32(body[8:])
			v := le.Uint32(body[12:])
			m.minimum = fmt.Sprintf("%d.%d", v>>16, v>>8&0xff)
		case lcSymtab:
			m.symbolsAt, m.symbols, m.stringsAt = int(le.Uint32(body[8:])), int(le.Uint32(body[12:])), int(le.Uint32(body[16:]))
		case lcDyldInfo, lcDyldInfoOnly:
			m.exportsAt, m.exportsSize = at+40, at+44
		case lcExportsTrie:
			m.exportsAt, m.exportsSize = at+8, at+12
		case lcCodeSignature:
			m.signatureAt = int(le.Uint32(body[8:]))
		}
		m.commands = append(m.commands, c)
		at += c.size
	}
	return m, nil
}

// text is a C string.
func text(b []byte) string {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return string(b)
}

// eachSymbol calls visit with each entry of the symbol table and its name.
func (m *macho) eachSymbol(visit func(entry []byte, name string)) error {
	if m.symbolsAt+m.symbols*nlistSize > len(m.b) || m.stringsAt > len(m.b) {
		return errors.New("the symbol table is cut short")
	}
	for i := range m.symbols {
		entry := m.b[m.symbolsAt+i*nlistSize:][:nlistSize]
		at := m.stringsAt + int(le.Uint32(entry))
		if at >= len(m.b) {
			return errors.New("the names of symbols are cut short")
		}
		visit(entry, text(m.b[at:]))
	}
	return nil
}

// hideSymbols makes all that an object file defines and that is not in keep visible to the other object files alone, as
// -exported_symbols_list does in Apple's linker; zig's accepts that option and ignores it.
func hideSymbols(b []byte, keep []string) error {
	m, err := parseMacho(b)
	if err != nil {
		return err
	}
	return m.eachSymbol(func(entry []byte, name string) {
		defined := entry[4]&nTypeMask != 0 || le.Uint64(entry[8:]) != 0 // a common symbol has its size there
		if entry[4]&nExternal != 0 && defined && !slices.Contains(keep, name) {
			entry[4] |= nPrivate
		}
	})
}

// export is an entry of the export trie: where the name leads.
type export struct {
	name string
	info []byte
}

// exports reads the export trie.
func (m *macho) exports() ([]export, error) {
	if m.exportsAt == 0 {
		return nil, errors.New("there is no export trie")
	}
	start, size := int(le.Uint32(m.b[m.exportsAt:])), int(le.Uint32(m.b[m.exportsSize:]))
	if start+size > len(m.b) {
		return nil, errors.New("the export trie is cut short")
	}
	trie := m.b[start : start+size]
	var found []export
	var walk func(at, depth int, name string) error
	walk = func(at, depth int, name string) error {
		if at >= len(trie) || depth > 256 {
			return errors.New("the export trie leads out of itself")
		}
		length, n := binary.Uvarint(trie[at:])
		at += n
		if n <= 0 || at+int(length) >= len(trie) {
			return errors.New("the export trie is cut short")
		}
		if length > 0 {
			found = append(found, export{name, slices.Clone(trie[at : at+int(length)])})
		}
		at += int(length)
		children := int(trie[at])
		at++
		for range children {
			edge := text(trie[min(at, len(trie)):])
			at += len(edge) + 1
			if at >= len(trie) {
				return errors.New("the export trie is cut short")
			}
			child, n := binary.Uvarint(trie[at:])
			at += n
			if err := walk(int(child), depth+1, name+edge); err != nil {
				return err
			}
		}
		return nil
	}
	if size == 0 {
		return nil, nil
	}
	err := walk(0, 0, "")
	return found, err
}

// trieNode is a node of an export trie that is being made.
type trieNode struct {
	info     []byte
	edges    []string
	children []*trieNode
	offset   int
}

// makeTrie writes an export trie: entries share what their names begin with.
func makeTrie(entries []export) []byte {
	slices.SortFunc(entries, func(a, b export) int { return strings.Compare(a.name, b.name) })
	var nodes []*trieNode
	var grow func(entries []export, skip int) *trieNode
	grow = func(entries []export, skip int) *trieNode {
		node := &trieNode{}
		nodes = append(nodes, node)
		if len(entries) > 0 && len(entries[0].name) == skip {
			node.info = entries[0].info
			entries = entries[1:]
		}
		for len(entries) > 0 {
			n := 1
			for n < len(entries) && entries[n].name[skip] == entries[0].name[skip] {
				n++
			}
			first, last := entries[0].name, entries[n-1].name
			end := skip
			for end < len(first) && end < len(last) && first[end] == last[end] {
				end++
			}
			node.edges = append(node.edges, first[skip:end])
			node.children = append(node.children, grow(entries[:n], end))
			entries = entries[n:]
		}
		return node
	}
	grow(entries, 0)
	var out []byte
	for { // an offset takes as many bytes as it needs, which moves the nodes after it
		out = out[:0]
		moved := false
		for _, node := range nodes {
			moved = moved || node.offset != len(out)
			node.offset = len(out)
			out = binary.AppendUvarint(out, uint64(len(node.info)))
			out = append(out, node.info...)
			out = append(out, byte(len(node.edges)))
			for i, edge := range node.edges {
				out = append(append(out, edge...), 0)
				out = binary.AppendUvarint(out, uint64(node.children[i].offset))
			}
		}
		if !moved {
			return out
		}
	}
}

// trimExports takes from a linked image what zig's linker shows of its own accord, and signs it anew.
func trimExports(b []byte, keep []string) error {
	m, err := parseMacho(b)
	if err != nil {
		return err
	}
	shown, err := m.exports()
	if err != nil {
		return err
	}
	wanted := slices.DeleteFunc(shown, func(e export) bool { return !slices.Contains(keep, e.name) })
	trie := makeTrie(wanted)
	start, size := int(le.Uint32(b[m.exportsAt:])), int(le.Uint32(b[m.exportsSize:]))
	if len(trie) > size {
		return fmt.Errorf("an export trie of %d bytes does not fit into %d", len(trie), size)
	}
	clear(b[start : start+size])
	copy(b[start:], trie)
	err = m.eachSymbol(func(entry []byte, name string) {
		if entry[4]&nExternal != 0 && entry[4]&nTypeMask != 0 && !slices.Contains(keep, name) {
			entry[4] = entry[4]&^nExternal | nPrivate
		}
	})
	if err != nil {
		return err
	}
	return m.sign()
}

// codeDirectory is what a signature says of the pages of its image.
type codeDirectory struct {
	flags, limit, page uint32
	hashes             []byte
}

func (m *macho) codeDirectory() (*codeDirectory, error) {
	const superBlob, directory = 0xfade0cc0, 0xfade0c02
	b := m.b[min(m.signatureAt, len(m.b)):]
	if len(b) < 20 || be.Uint32(b) != superBlob {
		return nil, errors.New("the signature is not one")
	}
	for i := range int(be.Uint32(b[8:])) {
		at := int(be.Uint32(b[12+8*i+4:]))
		if at+44 > len(b) || be.Uint32(b[at:]) != directory {
			continue
		}
		d := b[at:]
		slots, start := int(be.Uint32(d[28:])), int(be.Uint32(d[16:]))
		if d[36] != sha256.Size || d[37] != 2 || start+slots*sha256.Size > len(d) {
			return nil, errors.New("the signature is not by SHA-256")
		}
		found := &codeDirectory{flags: be.Uint32(d[12:]), limit: be.Uint32(d[32:]), page: 1 << d[39]}
		found.hashes = d[start : start+slots*sha256.Size]
		if int(found.limit) > m.signatureAt || slots != int((found.limit+found.page-1)/found.page) {
			return nil, errors.New("the signature is not of this image")
		}
		return found, nil
	}
	return nil, errors.New("the signature has no code directory")
}

// pages calls visit with each page that is signed and its hash.
func (d *codeDirectory) pages(m *macho, visit func(hash, page []byte)) {
	for start := uint32(0); start < d.limit; start += d.page {
		visit(d.hashes[start/d.page*sha256.Size:][:sha256.Size], m.b[start:min(start+d.page, d.limit)])
	}
}

// sign writes the hashes of an ad-hoc signature anew. An image for Intel may have none.
func (m *macho) sign() error {
	if m.signatureAt == 0 {
		return nil
	}
	d, err := m.codeDirectory()
	if err != nil {
		return err
	}
	d.pages(m, func(hash, page []byte) {
		sum := sha256.Sum256(page)
		copy(hash, sum[:])
	})
	return nil
}

// checkSignature fails when the signature, which Apple's processors demand, is missing or not of these bytes.
func (m *macho) checkSignature() error {
	if m.signatureAt == 0 {
		if m.cpu == cpuARM64 {
			return errors.New("there is no signature, without which no arm64 Mac loads it")
		}
		return nil
	}
	d, err := m.codeDirectory()
	if err != nil {
		return err
	}
	if d.flags&adHoc == 0 {
		return errors.New("the signature is not ad hoc")
	}
	wrong := 0
	d.pages(m, func(hash, page []byte) {
		if sum := sha256.Sum256(page); !bytes.Equal(hash, sum[:]) {
			wrong++
		}
	})
	if wrong > 0 {
		return fmt.Errorf("the signature does not fit %d of the pages", wrong)
	}
	return nil
}

// images are the Mach-O images of a file, which may be universal.
func images(b []byte) ([]*macho, error) {
	if len(b) < 8 || be.Uint32(b) != fatMagic {
		m, err := parseMacho(b)
		return []*macho{m}, err
	}
	var found []*macho
	for i := range int(be.Uint32(b[4:])) {
		if 8+20*(i+1) > len(b) {
			return nil, errors.New("the universal header is cut short")
		}
		entry := b[8+20*i:]
		start, size, align := int(be.Uint32(entry[8:])), int(be.Uint32(entry[12:])), be.Uint32(entry[16:])
		if start+size > len(b) || start%(1<<align) != 0 {
			return nil, errors.New("an image lies where it must not")
		}
		m, err := parseMacho(b[start : start+size])
		if err != nil {
			return nil, err
		}
		if m.cpu != be.Uint32(entry) {
			return nil, errors.New("an image is for another processor than the universal header says")
		}
		found = append(found, m)
	}
	return found, nil
}

// universal puts images for several processors into one file.
func universal(files ...[]byte) ([]byte, error) {
	const align = 14 // the pages of Apple's processors
	out := make([]byte, 8+20*len(files))
	be.PutUint32(out, fatMagic)
	be.PutUint32(out[4:], uint32(len(files)))
	for i, file := range files {
		if _, err := parseMacho(file); err != nil {
			return nil, err
		}
		out = append(out, make([]byte, -len(out)&(1<<align-1))...)
		entry := out[8+20*i:]
		be.PutUint32(entry, le.Uint32(file[4:]))
		be.PutUint32(entry[4:], le.Uint32(file[8:]))
		be.PutUint32(entry[8:], uint32(len(out)))
		be.PutUint32(entry[12:], uint32(len(file)))
		be.PutUint32(entry[16:], align)
		out = append(out, file...)
	}
	return out, nil
}

// hideObjects hides what is not to be visible in the object files of a linker's command.
func hideObjects(keep []string, command []string) error {
	for _, argument := range command {
		if !strings.HasSuffix(argument, ".o") || strings.HasPrefix(argument, "-") {
			continue
		}
		b, err := os.ReadFile(argument)
		if err != nil {
			return err
		}
		if err := hideSymbols(b, keep); err != nil {
			return fmt.Errorf("%s: %w", argument, err)
		}
		if err := os.WriteFile(argument, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// orderConstructors makes one exported constructor the first of an image and another its last. Linkers order them as they
// like, and Mach-O knows no priorities. (The signature is left as it was: trimExports comes after.)
func orderConstructors(b []byte, first, last string) error {
	m, err := parseMacho(b)
	if err != nil {
		return err
	}
	table, err := m.constructors()
	if err != nil {
		return err
	}
	entries, err := m.exports()
	if err != nil {
		return err
	}
	address := map[string]uint64{}
	for _, e := range entries {
		if _, n := binary.Uvarint(e.info); n > 0 { // the flags, then the offset in the image
			address[e.name], _ = binary.Uvarint(e.info[n:])
		}
	}
	var middle []uint64
	seen := 0
	for i := 0; i < len(table); i += 8 {
		switch pointer := le.Uint64(table[i:]); pointer {
		case address[first], address[last]:
			seen++
		default:
			middle = append(middle, pointer)
		}
	}
	if seen != 2 || address[first] == address[last] {
		return fmt.Errorf("%s and %s are not among the constructors", first, last)
	}
	for i, pointer := range append(append([]uint64{address[first]}, middle...), address[last]) {
		le.PutUint64(table[8*i:], pointer)
	}
	return nil
}

// constructors is the table of pointers to an image's constructors, which dyld calls in order. The pointers are offsets in the
// image, as older fix-ups have them; the chained ones of newer linkers are not known here.
func (m *macho) constructors() ([]byte, error) {
	const segment64, modInitPointers = 0x19, 9
	for _, c := range m.commands {
		if c.kind != segment64 {
			continue
		}
		for i := range int(le.Uint32(m.b[c.at+64:])) {
			section := m.b[c.at+72+80*i:]
			if section[64] != modInitPointers {
				continue
			}
			start, size := int(le.Uint32(section[48:])), int(le.Uint64(section[40:]))
			if start+size > len(m.b) || size%8 != 0 {
				return nil, errors.New("the constructors are cut short")
			}
			return m.b[start : start+size], nil
		}
	}
	return nil, errors.New("there are no constructors")
}
