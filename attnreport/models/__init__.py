"""Models that are made of `attnreport.nn`, and loaders of trained ones."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attnreport.models.bert import Bert as Bert
    from attnreport.models.hugging_face import load_bert as load_bert
    from attnreport.models.text_classifier import TEXT_ATTENTIONS as TEXT_ATTENTIONS
    from attnreport.models.text_classifier import TextClassifier as TextClassifier
    from attnreport.models.text_classifier import TextClassifierSizes as TextClassifierSizes
    from attnreport.models.transformer import LanguageModel as LanguageModel
    from attnreport.models.transformer import TextEncoder as TextEncoder
    from attnreport.models.transformer import Transformer as Transformer
    from attnreport.models.transformer_layers import TransformerSizes as TransformerSizes
    from attnreport.models.translator import Translator as Translator
    from attnreport.models.translator import TranslatorSizes as TranslatorSizes
    from attnreport.models.translator_decoding import translate_greedily as translate_greedily
    from attnreport.models.translator_decoding import translate_with_beam as translate_with_beam
    from attnreport.models.vision import IMAGE_ATTENTIONS as IMAGE_ATTENTIONS
    from attnreport.models.vision import ConvolutionalNetwork as ConvolutionalNetwork
    from attnreport.models.vision import VisionTransformer as VisionTransformer

# A model costs its module's import only when it is first used.
_HOME = {
    "Bert": "attnreport.models.bert",
    "ConvolutionalNetwork": "attnreport.models.vision",
    "IMAGE_ATTENTIONS": "attnreport.models.vision",
    "LanguageModel": "attnreport.models.transformer",
    "TEXT_ATTENTIONS": "attnreport.models.text_classifier",
    "TextClassifier": "attnreport.models.text_classifier",
    "TextClassifierSizes": "attnreport.models.text_classifier",
    "TextEncoder": "attnreport.models.transformer",
    "Transformer": "attnreport.models.transformer",
    "TransformerSizes": "attnreport.models.transformer_layers",
    "Translator": "attnreport.models.translator",
    "TranslatorSizes": "attnreport.models.translator",
    "VisionTransformer": "attnreport.models.vision",
    "load_bert": "attnreport.models.hugging_face",
    "translate_greedily": "attnreport.models.translator_decoding",
    "translate_with_beam": "attnreport.models.translator_decoding",
}

__all__ = [
    "IMAGE_ATTENTIONS",
    "TEXT_ATTENTIONS",
    "Bert",
    "ConvolutionalNetwork",
    "LanguageModel",
    "TextClassifier",
    "TextClassifierSizes",
    "TextEncoder",
    "Transformer",
    "TransformerSizes",
    "Translator",
    "TranslatorSizes",
    "VisionTransformer",
    "load_bert",
    "translate_greedily",
    "translate_with_beam",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'attnreport.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
