"""Files as people export them, read into cells, numbers and times. Everything here is pure over bytes.

From outside in: `source` (bytes, unpacked), `encoding` (bytes to text), `layout` (text to rows of cells);
`delimited`, `annotated`, `json_lines` and `parquet` (a whole file to columns); `roles` (which column is what),
`moments`, `dates` and `local_time` (cells to times), `numbers` and `cells` (cells to numbers), `long` (rows of one
value to rows of one time), `flags` (labels); `recording` puts it together. `choices` is what a person may say.
"""
