"""Who a face is: aligned (`alignment`), judged worth it (`quality`), embedded (`embedders`), looked up (`known`), and if
it is a stranger's, known again (`strangers`). `stage` decides when.
"""
