"""What many calls tell, as one HTML page that needs no network.

:func:`~vocalics.calls.report.figures.figures` computes everything that is shown, apart from how it is shown;
:func:`~vocalics.calls.report.page.page` makes the page of it.
"""
