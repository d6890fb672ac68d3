"""Spreadsheets as the way in and out for people: CAD Trust's XLSX and CSV, a template, exports."""
