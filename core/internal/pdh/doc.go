// Package pdh reads performance counters of Windows (Performance Data Helper), which tell what no function does.
package pdh
