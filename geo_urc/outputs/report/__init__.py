"""The report: one document, written as HTML, PDF or Word, and its numbers as a workbook."""

from geo_urc.outputs.report.writing import ENDINGS, Writing, write_report

__all__ = ["ENDINGS", "Writing", "write_report"]
