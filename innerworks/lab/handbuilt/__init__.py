"""Models whose every weight was written by hand, so that the right answer of a technique is known in advance.

``gpt2()``, ``llama()``, ``neox()`` and ``gemma()`` return real Hugging Face models that implement one and the
same algorithm in three attention layers: continue a repeated sequence (``<bos> r r``) by induction.

====== ==================== ================================================================================
head   role                 what it does
====== ==================== ================================================================================
0.0    previous token       attends to the position before, writes that token into ``prev``
0.1    duplicate token      attends to the same token seen earlier, else to ``<bos>``; writes nothing
1.0    induction            attends to the position whose ``prev`` is the current token, writes 3 × its token
1.1    sink                 attends to ``<bos>``; writes nothing
2.0    copy suppression     attends to the token about to be predicted, takes it out of ``out`` again
2.1    self copying         attends to its own position, writes 0.2 × its token
====== ==================== ================================================================================

The models set traps on purpose: head 2.0 has the pattern of an induction head and does the opposite; the
copying score of a head that writes nothing is 0/0; half of all attention goes to ``<bos>`` although nothing
is read there; and on the first, random half the loss is far above that of a uniform guess.

All of head 0.0's effect goes through the keys of head 1.0, exactly so when its output comes from another
sample. Setting it to zero instead shortens the vector, so the norm of layer 1 enlarges the rest: the path
through the values of head 1.0 then has an effect too.
"""

from innerworks.lab.handbuilt.gpt2_weights import gpt2
from innerworks.lab.handbuilt.llama_weights import gemma, llama
from innerworks.lab.handbuilt.neox_weights import neox
from innerworks.lab.handbuilt.record import Handbuilt
from innerworks.lab.handbuilt.table import Expected, HeadScores

__all__ = ["Expected", "Handbuilt", "HeadScores", "gemma", "gpt2", "llama", "neox"]
