package pdh

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCountersAreReadTogetherAndThoseThatAreNotThereAreLeftOut(t *testing.T) {
	const there, notThere = `\System\System Up Time`, `\System\No Such Counter`
	q := New(there, notThere, "nonsense", "")
	for range 3 {
		values, err := q.Read()
		require.NoError(t, err)
		assert.Len(t, values, 1)
		assert.NotZero(t, values[there].Second)
	}
}

func TestNoCountersAreNoError(t *testing.T) {
	values, err := New(`\No Such Object\Count`).Read()
	require.NoError(t, err)
	assert.Empty(t, values)
}
