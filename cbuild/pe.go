package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
)

// exportDirectory is IMAGE_EXPORT_DIRECTORY: what debug/pe does not read.
type exportDirectory struct {
	Characteristics, Time                      uint32
	Major, Minor                               uint16
	Name, Base, Functions, Names               uint32
	AddressTable, NamePointers, OrdinalNumbers uint32
}

// readPE reads the name that a DLL has in it, and the names of the functions that it shows.
func readPE(b []byte) ([]shown, error) {
	file, err := pe.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	header, ok := file.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || header.NumberOfRvaAndSizes == 0 || header.DataDirectory[0].VirtualAddress == 0 {
		return nil, errors.New("it is not a 64-bit DLL that shows functions")
	}
	image := peImage{file}
	var directory exportDirectory
	if err := image.read(header.DataDirectory[0].VirtualAddress, &directory); err != nil {
		return nil, err
	}
	inside, err := image.text(directory.Name)
	if err != nil {
		return nil, err
	}
	library := shown{name: inside}
	if directory.Names > 1<<16 {
		return nil, errors.New("more functions than a DLL can show")
	}
	pointers := make([]uint32, directory.Names)
	if err := image.read(directory.NamePointers, pointers); err != nil {
		return nil, err
	}
	for _, pointer := range pointers {
		text, err := image.text(pointer)
		if err != nil {
			return nil, err
		}
		library.functions = append(library.functions, text)
	}
	return []shown{library}, nil
}

// peImage reads a file by the addresses that it has in memory.
type peImage struct{ file *pe.File }

func (p peImage) at(address uint32) ([]byte, error) {
	for _, section := range p.file.Sections {
		if address >= section.VirtualAddress && address-section.VirtualAddress < section.Size {
			data, err := section.Data()
			if err != nil || uint32(len(data)) <= address-section.VirtualAddress {
				return nil, fmt.Errorf("section %s: %w", section.Name, errors.Join(err, errors.New("too short")))
			}
			return data[address-section.VirtualAddress:], nil
		}
	}
	return nil, fmt.Errorf("no section holds address %#x", address)
}

func (p peImage) read(address uint32, value any) error {
	data, err := p.at(address)
	if err != nil {
		return err
	}
	return binary.Read(bytes.NewReader(data), binary.LittleEndian, value)
}

func (p peImage) text(address uint32) (string, error) {
	data, err := p.at(address)
	if err != nil {
		return "", err
	}
	end := bytes.IndexByte(data, 0)
	if end < 0 {
		return "", errors.New("a name without an end")
	}
	return string(data[:end]), nil
}
