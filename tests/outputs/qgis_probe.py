"""Run by the system's Python: open a GeoPackage in QGIS and print what a user would see."""

import json
import sys


def main(path: str, layers: list) -> None:
    """Print, layer by layer, what QGIS made of the file."""
    # Only the system's Python has QGIS; pytest imports this file too.
    from qgis.core import QgsApplication, QgsRenderContext, QgsVectorLayer, QgsWkbTypes

    application = QgsApplication([], False)
    application.initQgis()
    seen = {}
    for name in layers:
        layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
        renderer = layer.renderer()
        context = QgsRenderContext()
        renderer.startRender(context, layer.fields())
        hidden = 0
        colours = {}
        for feature in layer.getFeatures():
            symbol = renderer.originalSymbolForFeature(feature, context)
            hidden += symbol is None
            if symbol is not None:
                value = feature[renderer.classAttribute()]
                colours[str(value)] = symbol.color().name()
        renderer.stopRender(context)
        names = layer.listStylesInDatabase()[2]
        seen[name] = {
            "valid": layer.isValid(),
            "kind": QgsWkbTypes.displayString(layer.wkbType()),
            "features": layer.featureCount(),
            "crs": layer.crs().authid(),
            "renderer": renderer.type(),
            "attribute": renderer.classAttribute(),
            "labels": [category.label() for category in renderer.categories()],
            "hidden": hidden,
            "colours": colours,
            "aliases": {
                field.name(): layer.attributeDisplayName(i)
                for i, field in enumerate(layer.fields())
            },
            "display": layer.displayExpression(),
            "styles": names,
        }
    sys.stdout.write("SEEN" + json.dumps(seen) + "\n")
    sys.stdout.flush()
    application.exitQgis()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
