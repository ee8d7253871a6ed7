"""The story of one turn, in reading order.

`ask` what a client wants · `submit` accept it · `context` what the model is sent · `generate` run
one attempt · `moderate` hold back what is not judged · `finish` the end, exactly once · `read`
every reader · `cancel` · `recover` the sweeper · `remember` what comes after the answer.
"""
