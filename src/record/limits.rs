//! How much is read of a recording, which may be a stranger's: far more than any run writes, and
//! far less than would take a machine down. `docs/format.md` has them as a table.
//!
//! What goes beyond a limit is an error that names the file, the limit and what was found; it is
//! never cut off and judged as if it were whole.

/// The most bytes of `run.json`. It holds the hypothesis, which has at most 1 MiB, and the ledger.
pub(crate) const MANIFEST_BYTES: u64 = 16 << 20;

/// The most bytes of one Parquet file.
pub(crate) const PARQUET_BYTES: u64 = 2 << 30;

/// The most rows of `raw.parquet` and all its parts together: 4 GiB in memory.
pub(crate) const RAW_ROWS: usize = 250_000_000;

/// The most rows of any other table.
pub(crate) const TABLE_ROWS: usize = 1_000_000;

/// The most bytes that one row group may have once it is unpacked, as its own file says.
pub(crate) const GROUP_BYTES: usize = 1 << 30;

/// The most columns of a file, those inside of lists and structs counted.
pub(crate) const COLUMNS: usize = 256;

/// The most entries of any one list in `run.json`: notes, blind stretches, tags, sources, …
pub(crate) const ENTRIES: usize = 100_000;

/// The most bytes of one text in `run.json`, the hypothesis included.
pub(crate) const MANIFEST_TEXT_BYTES: usize = 1 << 20;

/// The longest that a run may have lasted, days.
pub(crate) const RUN_DAYS: u64 = 366;

/// The most memory, in bytes, that reading a recording may ask for. `judge` and `report` read it
/// once in a process of its own that is held to this, before they read it themselves.
pub(crate) const MEMORY_BYTES: u64 = 8 << 30;

/// The most seconds of processor time that this first reading may take.
pub(crate) const READING_SECONDS: u64 = 300;
