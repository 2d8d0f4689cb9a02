package offheap

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBytesComeOutAsTheyWentIn(t *testing.T) {
	for _, size := range []int{0, 1, smallest - 1, smallest, smallest + 1, 5 * smallest, 3 << 20} {
		want := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
		var b Buffer
		for at := 0; at < size; at += 10_001 {
			require.NoError(t, b.Append(want[at:min(at+10_001, size)]))
		}
		assert.True(t, bytes.Equal(want, b.Bytes()), "%d bytes", size)
		half := size / 2
		b.Take(half)
		assert.True(t, bytes.Equal(want[half:], b.Bytes()), "%d bytes", size)
		require.NoError(t, b.Append([]byte("more")))
		assert.True(t, bytes.Equal(append(bytes.Clone(want[half:]), "more"...), b.Bytes()))
		b.Take(len(b.Bytes()))
		assert.Empty(t, b.Bytes())
		b.Free()
	}
}

func TestReservedBytesAreZero(t *testing.T) {
	for _, size := range []int{0, 1, smallest, 3 << 20} {
		var b Buffer
		require.NoError(t, b.Reserve(size))
		assert.Equal(t, make([]byte, size), append([]byte{}, b.Bytes()...))
		b.Free()
		assert.Empty(t, b.Bytes())
	}
	var b Buffer
	assert.Error(t, b.Reserve(1<<62), "more than memory")
}
