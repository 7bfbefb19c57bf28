// Configuration of the OHIF viewer: our DICOMweb, nothing from outside, nothing that writes.
window.config = {
  routerBasename: "/viewer",
  extensions: [],
  modes: [],
  customizationService: [{ "ohif.tours": { $set: [] } }],
  modesConfiguration: {
    "@ohif/mode-longitudinal": {
      // The names and colours of a segmentation's classes are shown as soon as it is.
      activatePanelTriggers: {
        $set: [
          {
            panelId: "@ohif/extension-cornerstone.panelModule.panelSegmentation",
            sourceServiceName: "segmentationService",
            sourceEvents: ["SEGMENTATION_REPRESENTATION_MODIFIED"],
          },
        ],
      },
    },
  },
  showStudyList: false,
  showLoadingIndicator: true,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  // A segmentation is shown with its image at once, without a question.
  disableConfirmationPrompts: true,
  investigationalUseDialog: { option: "never" },
  maxNumberOfWebWorkers: 3,
  defaultDataSourceName: "archive",
  dataSources: [
    {
      namespace: "@ohif/extension-default.dataSourcesModule.dicomweb",
      sourceName: "archive",
      configuration: {
        friendlyName: "Sightline archive",
        name: "archive",
        qidoRoot: "/archive",
        wadoRoot: "/archive",
        wadoUriRoot: "/archive",
        qidoSupportsIncludeField: true,
        imageRendering: "wadors",
        thumbnailRendering: "wadors",
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        supportsStow: false,
        omitQuotationForMultipartRequest: true,
        bulkDataURI: { enabled: true },
      },
    },
  ],
  // The viewer gives up requests that it no longer needs, and reports them here.
  httpErrorHandler: (error) => console.warn("request failed", error?.status ?? ""),
  whiteLabeling: {
    createLogoComponentFn: (React) =>
      React.createElement(
        "a",
        {
          href: "/",
          title: "Back to the worklist",
          style: { display: "flex", alignItems: "center", gap: "10px", color: "#e3e9ee" },
        },
        React.createElement("img", { src: "/static/icon.svg", width: 24, height: 24, alt: "" }),
        React.createElement("strong", null, "Sightline"),
        React.createElement("span", { style: { color: "#f2bd55" } }, "Research use only"),
      ),
  },
};
