//! Finalize: merges all outcomes, balances the books, sweeps orphans, writes the results.
