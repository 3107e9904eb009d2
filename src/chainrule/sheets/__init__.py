"""Worksheets: a net worked by hand, forward and backward, as cells with formulas, some of them blank.

A `plan` says what stands in which row; `cells` writes a formula as a spreadsheet reads it; `workbook`,
`page` and `paper` print.
"""
