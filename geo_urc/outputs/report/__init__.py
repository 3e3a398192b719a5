"""The report: one document, written as HTML, PDF or Word, and its numbers as a workbook."""

from geo_urc.outputs.report.writing import ENDINGS, write_report, write_reports

__all__ = ["ENDINGS", "write_report", "write_reports"]
