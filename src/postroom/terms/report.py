"""What a report may be at most. No RFC figures: chosen here, with their reasons."""

# As the largest upload.
REPORT_BYTES = 256 * 1024 * 1024
# Rows and columns of an XLSX sheet (ECMA-376, as Excel reads it).
SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
# A cell takes as many characters.
CELL_CHARACTERS = 32_767
# Rows that a preview shows, and conditions and templates may look at.
SAMPLE_ROWS = 20
SAMPLE_CHARACTERS = 300
SAMPLE_COLUMNS = 50
